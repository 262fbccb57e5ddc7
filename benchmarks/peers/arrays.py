"""Tensors to and from raw little-endian files, the form in which both sides exchange them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import torch


def read_array(file: str, shape: list[int], dtype: str) -> torch.Tensor:
    """A tensor of `dtype` float32 or int32; int32 becomes int64, which is what torch indexes with."""
    tensor = torch.from_numpy(numpy.fromfile(file, dtype=dtype).reshape(shape))
    return tensor.long() if dtype == "int32" else tensor


def write_array(tensor: torch.Tensor, file: Path) -> dict[str, Any]:
    tensor.detach().to(torch.float32).contiguous().numpy().tofile(file)
    return {"file": str(file), "shape": list(tensor.shape)}
