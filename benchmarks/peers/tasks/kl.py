"""The k3 estimate of the divergence from a reference policy at each token, averaged, and its gradient: a small loss."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tasks.token_loss import masked_mean

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]


def trl_estimate(log_probs: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    """The line of TRL's GRPO trainer, where it is not a function."""
    return torch.exp(ref - log_probs) - (ref - log_probs) - 1


def verl_estimate(log_probs: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    from verl.trainer.ppo.core_algos import kl_penalty

    return kl_penalty(log_probs, ref, "low_var_kl")


def differentiated(estimate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], inputs: Inputs) -> Compute:
    log_probs = inputs["logProbs"].requires_grad_()

    def compute() -> Inputs:
        loss = masked_mean(estimate(log_probs, inputs["refLogProbs"]), inputs["mask"])
        (gradient,) = torch.autograd.grad(loss, [log_probs])
        return {"loss": loss.detach(), "gradient": gradient}

    return compute


FORMULATIONS: dict[str, Callable[[Inputs], Compute]] = {
    "eager": lambda inputs: differentiated(trl_estimate, inputs),
    "verl": lambda inputs: differentiated(verl_estimate, inputs),
}
