"""Computes and times in PyTorch what it is asked for, one JSON object a line on stdin, one answer a line on stdout.

    {"do": "describe"}                               -> versions, BLAS, allocator
    {"do": "prepare", "task", "formulation", "threads", "options", "inputs", "folder"}
                                                     -> {"id", "results"}: one run, its results as raw files
    {"do": "run", "id"}                              -> {"ms", ...}: one more run, with its numbers that are scalars
    {"do": "release"}                                -> {}: forgets everything prepared

Arrays travel as raw float32 or int32 files. A request that fails is answered by {"error": sentence}, and the server
goes on. It ends with its stdin. What a library prints goes to stderr.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]


@dataclass
class Prepared:
    """Something to run again and again with so many threads."""

    compute: Callable[[], dict[str, Any]]
    threads: int


prepared: list[Prepared | None] = []


def describe(_: Request) -> Answer:
    from settings import describe_settings

    return describe_settings()


def prepare(request: Request) -> Answer:
    from arrays import read_array, write_array
    import torch

    torch.set_num_threads(request["threads"])
    inputs = {name: read_array(**array) for name, array in request["inputs"].items()}
    task = importlib.import_module(f"tasks.{request['task']}")
    compute = task.FORMULATIONS[request["formulation"]](inputs, **request["options"])
    results = compute()
    prepared.append(Prepared(compute, request["threads"]))
    identity = len(prepared) - 1
    folder = Path(request["folder"])
    written = {name: write_array(tensor, folder / f"{identity}-{name}") for name, tensor in results.items()}
    return {"id": identity, "results": written}


def run(request: Request) -> Answer:
    import torch

    chosen = prepared[request["id"]]
    if chosen is None:
        raise ValueError(f"nothing is prepared under {request['id']}")
    torch.set_num_threads(chosen.threads)
    start = time.perf_counter()
    results = chosen.compute()
    ms = 1000 * (time.perf_counter() - start)
    scalars = {name: tensor.item() for name, tensor in results.items() if tensor.numel() == 1}
    return {"ms": ms, "scalars": scalars}


def release(_: Request) -> Answer:
    prepared[:] = [None] * len(prepared)
    gc.collect()
    return {}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print must not disturb the answers
    actions = {action.__name__: action for action in (describe, prepare, run, release)}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = actions[request["do"]](request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side tells it
            what = str(error).strip().split("\n")[0]
            answer = {"error": f"{type(error).__name__}: {what}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
