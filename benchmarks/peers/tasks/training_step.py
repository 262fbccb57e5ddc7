"""A training step of transformers' Llama on next tokens: forward, backward, clipping by the global norm, AdamW.

The inputs are `ids` [B, T + 1] and the weights by their Hugging Face names. The preparing run gives the loss and all
gradients (results `loss`, `grad:NAME`) and changes no weight; every further run is a whole step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Inputs = dict[str, torch.Tensor]
Compute = Callable[[], Inputs]


def prepare(inputs: Inputs, attention: str, fused: bool, config: dict[str, Any], learningRate: float, weightDecay: float) -> Compute:
    from transformers import LlamaConfig, LlamaForCausalLM

    ids = inputs["ids"]
    model = LlamaForCausalLM(LlamaConfig(**config, attn_implementation=attention))
    weights = {name: tensor for name, tensor in inputs.items() if name != "ids"}
    model.load_state_dict(weights, strict=True)
    model.train()
    options = {"lr": learningRate, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": weightDecay, "fused": fused}
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    seen, wanted = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)

    def backward() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        logits = model(input_ids=seen, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted)
        loss.backward()
        return loss.detach()

    first = True

    def compute() -> Inputs:
        nonlocal first
        loss = backward()
        if first:
            first = False
            return {"loss": loss} | {f"grad:{name}": p.grad.clone() for name, p in model.named_parameters()}
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss}

    return compute


FORMULATIONS: dict[str, Callable[..., Compute]] = {
    "eager": lambda inputs, **options: prepare(inputs, "eager", False, **options),
    "sdpa": lambda inputs, **options: prepare(inputs, "sdpa", True, **options),
}
