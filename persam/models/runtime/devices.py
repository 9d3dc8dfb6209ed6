"""Where models run, and in which number format without knowing the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.models.runtime.choice import PRECISIONS

if TYPE_CHECKING:
    import torch


def choose_device(device: str) -> torch.device:
    """Resolve ``"auto"`` and refuse devices that are not there.

    Raises:
        InputError: names what was asked for and what this machine has.
    """
    import torch

    present = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    present += ["mps"] * torch.backends.mps.is_available()
    if device == "auto":
        best = [place for place in ("cuda:0", "mps", "cpu") if place in present]
        return torch.device(best[0])
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in present:
        raise InputError(
            f"Device {device!r} is not there: this machine has {', '.join(present)}. Take one of "
            "these, or auto."
        )
    return torch.device(wanted)


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Resolve ``"auto"`` for a device; the answer is the image encoder's number format.

    Raises:
        InputError: not one of ``PRECISIONS``.
    """
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return kinds[resolved_precision(precision, device)]


def resolved_precision(precision: str, device: torch.device) -> str:
    """Name the number format of the image encoder on a device: never ``"auto"``.

    Raises:
        InputError: not one of ``PRECISIONS``.
    """
    import torch

    if precision not in PRECISIONS:
        raise InputError(f"Precision is one of {', '.join(PRECISIONS)}; got {precision!r}.")
    if precision != "auto":
        return precision
    fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return "bf16" if fast else "fp32"
