"""Log-probability of one chosen token in each row of logits; nothing is differentiated."""

from __future__ import annotations

from collections.abc import Callable

import torch

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]
LogProbs = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def eager_log_probs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The textbook: log_softmax, then gather."""
    return torch.log_softmax(logits, -1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def trl_log_probs() -> LogProbs:
    from trl.trainer.utils import selective_log_softmax

    return selective_log_softmax


def verl_log_probs() -> LogProbs:
    """As verl's actor calls it: on the tokens of all sequences one after the other, [B·T, V]."""
    from verl.utils.torch_functional import logprobs_from_logits

    def compute(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return logprobs_from_logits(logits.flatten(0, 1), ids.flatten()).view(ids.shape)

    return compute


def without_gradient(log_probs: LogProbs, inputs: Inputs) -> Compute:
    def compute() -> Inputs:
        with torch.no_grad():
            return {"logProbs": log_probs(inputs["logits"], inputs["ids"])}

    return compute


FORMULATIONS: dict[str, Callable[[Inputs], Compute]] = {
    "eager": lambda inputs: without_gradient(eager_log_probs, inputs),
    "compile": lambda inputs: without_gradient(torch.compile(eager_log_probs, dynamic=False), inputs),
    "trl": lambda inputs: without_gradient(trl_log_probs(), inputs),
    "verl": lambda inputs: without_gradient(verl_log_probs(), inputs),
}
