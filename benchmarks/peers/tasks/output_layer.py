"""Hidden states [B, T, H] times the output projection [V, H], then the loss of `token_loss`: both gradients, unfused."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tasks.token_loss import eager_loss

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]


def projected_loss(hidden: torch.Tensor, weight: torch.Tensor, *rest: torch.Tensor | float) -> torch.Tensor:
    return eager_loss(torch.nn.functional.linear(hidden, weight), *rest)


def differentiated(inputs: Inputs, coefficient: float) -> Compute:
    hidden, weight = inputs["hidden"].requires_grad_(), inputs["weight"].requires_grad_()
    constants = [inputs[name] for name in ("ids", "oldLogProbs", "advantages", "mask")]

    def compute() -> Inputs:
        loss = projected_loss(hidden, weight, *constants, coefficient)
        hidden_gradient, weight_gradient = torch.autograd.grad(loss, [hidden, weight])
        return {"loss": loss.detach(), "hiddenGradient": hidden_gradient, "weightGradient": weight_gradient}

    return compute


FORMULATIONS: dict[str, Callable[..., Compute]] = {"eager": differentiated}
