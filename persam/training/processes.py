"""Several processes on one machine that work on the same steps."""

from __future__ import annotations

import importlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessException, spawn

from persam.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Workers:
    """The processes that train together: this one's number, and how many there are."""

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls) -> Workers:
        """As torch.distributed says, or this process alone."""
        if not distributed.is_initialized():
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    def add_up(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients."""
        if self.count == 1:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, piece in zip(parameters, gradients, pieces, strict=True):
            parameter.grad = piece.view(gradient.shape).clone(memory_format=torch.preserve_format)


def launched() -> str | None:
    """The device of this process where ``accelerate launch`` started several; None elsewhere.

    Raises:
        MissingExtra: something started several processes, and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    try:
        accelerate = importlib.import_module("accelerate")
    except ImportError as error:
        raise MissingExtra(
            f"Several processes train together by accelerate ({error}): pip install 'persam[train]'"
        ) from error
    device = accelerate.Accelerator().device
    return "cpu" if device.type == "cpu" else str(device)


def together(count: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Call ``work(*arguments)`` in ``count`` processes that see each other in torch.distributed.

    Small operations gain little from a second thread, so every process takes one.

    Args:
        count: how many.
        work: a function at the top of a module.
        arguments: what can be pickled.

    Raises:
        InputError: one of them raised it; the others are stopped.
        torch.multiprocessing.ProcessException: one of them failed otherwise, likewise.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            # Daemons, or whoever is told to stop would wait until they have done all their work.
            spawn(_join, (count, Path(folder), work, arguments), nprocs=count, daemon=True)
        except ProcessException as error:
            refusals = sorted(Path(folder).glob("refusal-*"))
            if refusals:
                raise InputError(refusals[0].read_text(encoding="utf-8")) from error
            raise


def _join(rank: int, count: int, folder: Path, work: Callable[..., Any], arguments: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count
    )
    try:
        work(*arguments)
    except InputError as error:
        # Of an exception torch hands on its traceback, as text.
        (folder / f"refusal-{rank}").write_text(str(error), encoding="utf-8")
        raise
    finally:
        distributed.destroy_process_group()
