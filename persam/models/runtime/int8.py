"""Eight-bit encoders, calibrated on the user's own photos.

Weights and activations of convolutions and matrix products are rounded to eight bits, each channel
of a weight on its own scale, the activations on the ranges that the photos show (ONNX Runtime's
static quantisation, QDQ format). Weights use seven of their eight bits: a processor with AVX2 and
no VNNI adds two products in sixteen bits, and wrong sums come of it where both are large. What
eight bits cost in agreement is measured in ``benchmarks/engines.md``: they are not free, so that
they are taken only where they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.models.runtime.choice import require
from persam.models.runtime.tracing import converting, hushed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np

OPERATIONS = ("Conv", "MatMul", "Gemm")


def calibrated(source: Path, target: Path, pictures: Iterable[np.ndarray]) -> None:
    """Write an eight-bit version of an encoder.

    Args:
        source: the ``.onnx`` file in fp32, with one input.
        target: the file to write.
        pictures: ``(1, 3, s, s)`` float32 each, as the encoder takes them; a few dozen are enough.

    Raises:
        InputError: no pictures, or a network that cannot be rounded.
        MissingExtra: ONNX Runtime is not installed.
    """
    require("onnx")
    import onnx
    from onnxruntime import quantization

    name = onnx.load(str(source), load_external_data=False).graph.input[0].name
    reader: Any = _Reader(name, iter(pictures))
    first = reader.peek()
    if first is None:
        raise InputError("There are no photos to calibrate by; give a folder of some.")
    with hushed(None), converting("Rounding the encoder to eight bits"):
        quantization.quantize_static(
            str(source),
            str(target),
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATIONS),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


class _Reader:
    """Hands photos out one by one, in the shape that the quantiser asks for."""

    def __init__(self, name: str, pictures: Iterator[np.ndarray]) -> None:
        self._name = name
        self._pictures = pictures
        self._next = next(pictures, None)

    def peek(self) -> np.ndarray | None:
        """What comes next, None at the end."""
        return self._next

    def get_next(self) -> dict[str, Any] | None:
        """The next photo by the input's name, None at the end."""
        given, self._next = self._next, next(self._pictures, None)
        return None if given is None else {self._name: given}
