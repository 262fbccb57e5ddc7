"""Generalized advantage estimation over [B, T], by a loop over time, as every library in torch has it."""

from __future__ import annotations

from collections.abc import Callable

import torch

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]


def rows_first(inputs: Inputs, gamma: float, lam: float) -> Compute:
    """The loop over columns of [B, T] as TRL and verl write it, without their masks and whitening."""
    rewards, values = inputs["rewards"], inputs["values"]

    def compute() -> Inputs:
        next_value = next_advantage = torch.zeros(rewards.shape[0])
        backwards = []
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + gamma * next_value - values[:, t]
            next_advantage = delta + gamma * lam * next_advantage
            next_value = values[:, t]
            backwards.append(next_advantage)
        advantages = torch.stack(backwards[::-1], dim=1)
        return {"advantages": advantages, "returns": advantages + values}

    return compute


def time_first(inputs: Inputs, gamma: float, lam: float) -> Compute:
    """The same over [T, B], where each step reads memory in order; the input already lies so."""
    rewards, values = inputs["rewards"].T.contiguous(), inputs["values"].T.contiguous()

    def compute() -> Inputs:
        next_value = next_advantage = torch.zeros(rewards.shape[1])
        advantages = torch.empty_like(rewards)
        for t in reversed(range(rewards.shape[0])):
            delta = rewards[t] + gamma * next_value - values[t]
            next_advantage = delta + gamma * lam * next_advantage
            next_value = values[t]
            advantages[t] = next_advantage
        return {"advantages": advantages.T, "returns": (advantages + values).T}

    return compute


def verl(inputs: Inputs, gamma: float, lam: float) -> Compute:
    """`compute_gae_advantage_return`, which whitens the advantages too."""
    from verl.trainer.ppo.core_algos import compute_gae_advantage_return

    arguments = [inputs[name] for name in ("rewards", "values", "mask")]

    def compute() -> Inputs:
        advantages, returns = compute_gae_advantage_return(*arguments, gamma=gamma, lam=lam)
        return {"advantages": advantages, "returns": returns}

    return compute


FORMULATIONS: dict[str, Callable[..., Compute]] = {"rows first": rows_first, "time first": time_first, "verl": verl}
