"""The clipped surrogate of PPO, and minus a coefficient times the entropy, from logits [B, T, V]: loss and gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tasks.log_probs import verl_log_probs

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]
Loss = Callable[..., torch.Tensor]

CLIP = 0.2


def clipped_surrogate(log_probs: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """Minus min(ratio A, clip(ratio) A) of each token, as the trainers of TRL write it between their functions."""
    ratio = torch.exp(log_probs - old)
    clipped = torch.clamp(ratio, 1 - CLIP, 1 + CLIP)
    return -torch.min(ratio * advantages, clipped * advantages)


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (values * mask).sum() / mask.sum()


def eager_loss(
    logits: torch.Tensor,
    ids: torch.Tensor,
    old: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    coefficient: float,
) -> torch.Tensor:
    """One log_softmax, which the entropy shares."""
    all_log_probs = torch.log_softmax(logits, -1)
    log_probs = all_log_probs.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    loss = masked_mean(clipped_surrogate(log_probs, old, advantages), mask)
    if coefficient != 0:
        entropy = -(all_log_probs.exp() * all_log_probs).sum(-1)
        loss = loss - coefficient * masked_mean(entropy, mask)
    return loss


def trl_loss() -> Loss:
    """`selective_log_softmax` and `entropy_from_logits`; the surrogate between them stands inside a trainer there."""
    from trl.trainer.utils import selective_log_softmax, selective_log_softmax_and_entropy

    def loss(logits, ids, old, advantages, mask, coefficient):
        if coefficient == 0:
            return masked_mean(clipped_surrogate(selective_log_softmax(logits, ids), old, advantages), mask)
        log_probs, entropy = selective_log_softmax_and_entropy(logits, ids)
        surrogate = masked_mean(clipped_surrogate(log_probs, old, advantages), mask)
        return surrogate - coefficient * masked_mean(entropy, mask)

    return loss


def verl_loss() -> Loss:
    """`logprobs_from_logits`, `compute_policy_loss_vanilla`, `entropy_from_logits` and `agg_loss`.

    Its dual clip is always on; it acts where A < 0 and the ratio is above 3, which the inputs stay away from.
    """
    from verl.trainer.ppo.core_algos import agg_loss, compute_policy_loss_vanilla
    from verl.utils.torch_functional import entropy_from_logits
    from verl.workers.config import ActorConfig

    config = ActorConfig(strategy="fsdp", rollout_n=1, use_dynamic_bsz=True, clip_ratio=CLIP)
    log_probs_of = verl_log_probs()

    def loss(logits, ids, old, advantages, mask, coefficient):
        log_probs = log_probs_of(logits, ids)
        total, _ = compute_policy_loss_vanilla(old, log_probs, advantages, mask, "token-mean", config)
        if coefficient != 0:
            entropy = entropy_from_logits(logits.flatten(0, 1)).view(ids.shape)
            total = total - coefficient * agg_loss(entropy, mask, "token-mean")
        return total

    return loss


def differentiated(loss_of: Loss, inputs: Inputs, coefficient: float) -> Compute:
    logits = inputs["logits"].requires_grad_()
    constants = [inputs[name] for name in ("ids", "oldLogProbs", "advantages", "mask")]

    def compute() -> Inputs:
        loss = loss_of(logits, *constants, coefficient)
        (gradient,) = torch.autograd.grad(loss, [logits])
        return {"loss": loss.detach(), "gradient": gradient}

    return compute


FORMULATIONS: dict[str, Callable[..., Compute]] = {
    "eager": lambda inputs, coefficient: differentiated(eager_loss, inputs, coefficient),
    "compile": lambda inputs, coefficient: differentiated(
        torch.compile(eager_loss, dynamic=False), inputs, coefficient
    ),
    "trl": lambda inputs, coefficient: differentiated(trl_loss(), inputs, coefficient),
    "verl": lambda inputs, coefficient: differentiated(verl_loss(), inputs, coefficient),
}
