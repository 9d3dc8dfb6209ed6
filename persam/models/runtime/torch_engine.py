"""torch itself: channels last, lower precision by autocast, compiled where that was asked for."""

from __future__ import annotations

from typing import Any

import torch

KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """Runs an encoder where its weights are.

    Attributes:
        name: ``"torch"`` or ``"compile"``.
        precision: by autocast; what comes back is float32.
    """

    def __init__(
        self, network: torch.nn.Module, precision: str = "fp32", *, compiled: bool = False
    ) -> None:
        self.name = "compile" if compiled else "torch"
        self.precision = precision
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._network: Any = torch.compile(network) if compiled else network

    @torch.no_grad()
    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` -> float32 maps; see :class:`persam.models.runtime.Engine`."""
        lower = self.precision != "fp32"
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(pixels.device.type, dtype=KINDS[self.precision], enabled=lower):
            maps = self._network(pixels)
        return tuple(tensor.float() for tensor in maps)
