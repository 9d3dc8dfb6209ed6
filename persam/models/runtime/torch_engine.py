"""torch itself: channels last, lower precision by autocast, compiled where that was asked for."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from persam.models.tensors import to_arrays, to_tensor

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np

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
        self._weight = next(network.parameters())

    @torch.no_grad()
    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """``(n, 3, s, s)`` -> float32 maps; see :class:`persam.models.runtime.choice.Engine`."""
        place, lower = self._weight.device, self.precision != "fp32"
        with _own_stream(place):
            given = to_tensor(pixels, place).contiguous(memory_format=torch.channels_last)
            with torch.autocast(place.type, dtype=KINDS[self.precision], enabled=lower):
                maps = self._network(given)
            return to_arrays(maps)


def _own_stream(place: torch.device) -> AbstractContextManager[Any]:
    """On a GPU a stream of its own, so that other threads' decoder calls do not stand behind it.

    It begins after what was asked of the device before: weights may still be on their way.
    """
    if place.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(place)
    stream.wait_stream(torch.cuda.current_stream(place))
    return torch.cuda.stream(stream)
