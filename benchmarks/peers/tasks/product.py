"""A matrix product whose operands lie transposed in memory or not."""

from __future__ import annotations

from collections.abc import Callable

import torch

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]


def product(inputs: Inputs, transposeA: bool, transposeB: bool) -> Compute:
    a = inputs["a"].T if transposeA else inputs["a"]
    b = inputs["b"].T if transposeB else inputs["b"]
    return lambda: {"product": torch.mm(a, b)}


FORMULATIONS: dict[str, Callable[..., Compute]] = {"mm": product}
