"""What a training run keeps of itself, to go on from when it was stopped."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from persam.errors import InputError
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from pathlib import Path


def read_checkpoint(path: Path, device: str | torch.device) -> dict[str, Any] | None:
    """Read what :func:`write_checkpoint` wrote; None where there is no such file.

    Raises:
        InputError: it is no checkpoint, or not a whole one.
    """
    if not path.exists():
        return None
    try:
        saved = torch.load(path, weights_only=True, map_location=device)
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        raise InputError(
            f"{path} is no checkpoint, or not a whole one ({type(error).__name__}). Remove it to "
            f"begin anew."
        ) from error
    if not isinstance(saved, dict) or not isinstance(saved.get("step"), int):
        raise InputError(f"{path} is no checkpoint of a run; give another output folder.")
    return saved


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with written_whole(path) as part:
        torch.save(state, part)
