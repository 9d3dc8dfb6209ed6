"""Several processes on one machine that work on the same steps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

if TYPE_CHECKING:
    from collections.abc import Callable


def together(count: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Call ``work(*arguments)`` in ``count`` processes that see each other in torch.distributed.

    Small operations gain little from a second thread, so every process takes one.

    Args:
        count: how many.
        work: a function at the top of a module.
        arguments: what can be pickled.

    Raises:
        torch.multiprocessing.ProcessRaisedException: one of them failed; the others are stopped.
    """
    with tempfile.TemporaryDirectory() as folder:
        spawn(_join, (count, str(Path(folder) / "meeting"), work, arguments), nprocs=count)


def _join(rank: int, count: int, meeting: str, work: Callable[..., Any], arguments: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=count
    )
    try:
        work(*arguments)
    finally:
        distributed.destroy_process_group()
