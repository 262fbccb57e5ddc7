"""What a time in PyTorch depends on besides the machine: versions, BLAS, threading library, allocator."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from typing import Any

import torch

LIBRARIES = ("torch", "trl", "verl", "transformers")
ALLOCATOR_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "LD_PRELOAD")


def describe_settings() -> dict[str, Any]:
    versions = {"Python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "blas": blas(),
        "cpuCapability": torch.backends.cpu.get_cpu_capability(),
        "loaded": loaded_libraries(),
        "allocator": {name: os.environ[name] for name in ALLOCATOR_VARIABLES if name in os.environ},
    }


def blas() -> str:
    """The BLAS that torch was built with, with its version where torch tells it: `MKL 2024.2`."""
    config = torch.__config__.show()
    mkl = re.search(r"Math Kernel Library Version (\S+?)-", config)
    if mkl:
        return f"MKL {mkl[1]}"
    info = re.search(r"BLAS_INFO=(\w+)", config)
    return info[1] if info else "unknown"


def loaded_libraries() -> list[str]:
    """Libraries in this process that multiply matrices, run threads or allocate; after a product, so that all are there."""
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    pattern = re.compile(r"/(lib[^/]*(?:blas|mkl|gomp|iomp|omp\d|tcmalloc|jemalloc|mimalloc)[^/]*)$")
    with open("/proc/self/maps", encoding="utf8") as maps:
        found = {match[1] for line in maps if (match := pattern.search(line.strip()))}
    return sorted(found)
