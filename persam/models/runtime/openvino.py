"""OpenVINO: the quickest on a CPU of what was measured, in fp32 and in bf16."""

from __future__ import annotations

import sys
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.models.runtime.cpu import thread_count

if TYPE_CHECKING:
    from pathlib import Path

    from persam.models.runtime.choice import Runner
    from persam.models.runtime.convertible import Convertible

SUFFIX = ".xml"
HINTS = {"fp32": "f32", "int8": "f32", "bf16": "bf16", "fp16": "f16"}
ABLE = {"fp32": "FP32", "int8": "FP32", "bf16": "BF16", "fp16": "FP16"}


def silent() -> Any:
    """Import OpenVINO without what reports its import and every conversion to its makers.

    Reports are sent unasked, each by a copy of this process: nobody's photos are in them, but
    persam sends nothing, and they take longer than the conversion.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    import openvino

    return openvino


def write(wanted: Convertible, file: Path) -> None:
    """Write a network as OpenVINO's ``.xml`` and ``.bin``, in fp32.

    Raises:
        InputError: it does not convert.
    """
    openvino = silent()
    from openvino.frontend import OpConversionFailure

    from persam.models.runtime.tracing import converting, hushed, traced

    what = f"Converting {type(wanted.network).__name__} for OpenVINO"
    # A converter that gives up leaves the root logger deaf to everybody's warnings.
    with hushed(None), converting(what, OpConversionFailure):
        given = tuple(wanted.inputs.values())
        shapes: list[Any] = [list(tensor.shape) for tensor in given]
        for name, shape in zip(wanted.inputs, shapes, strict=True):
            if name in wanted.free:
                shape[1] = -1
        model = openvino.convert_model(
            traced(wanted.network, given),
            example_input=given,
            input=[tuple(shape) for shape in shapes],
        )
        pairs = [*zip(model.inputs, wanted.inputs, strict=True)]
        pairs += zip(model.outputs, wanted.outputs)  # noqa: B905 - names may be left out
        for place, name in pairs:
            place.get_tensor().set_names({name})
        openvino.save_model(model, file, compress_to_fp16=False)


def compiled(file: Path, precision: str) -> Any:
    """Make a file ready to run on the CPU, with one thread a core.

    Raises:
        InputError: this CPU does not compute in that format, or the file cannot be read.
    """
    openvino = silent()
    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if ABLE[precision] not in able:
        raise InputError(
            f"OpenVINO computes in {', '.join(sorted(able))} on this CPU, not in {precision}. Take "
            f'precision="auto" or "fp32".'
        )
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": thread_count(),
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, the threads of several processes would wait for each other on the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return core.compile_model(core.read_model(file), "CPU", options)
    except RuntimeError as error:
        raise InputError(f"{file} is no model that OpenVINO reads: {error}.") from error


def runner(file: Path, precision: str) -> Runner:
    """What asks a file's network once; raises as :func:`compiled`."""
    return Requests(compiled(file, precision)).run


class Requests:
    """Asks a compiled model; every call has a request of its own, so that threads may share it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Ask once; the answers are copies of their own."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        given = [np.ascontiguousarray(values) for values in inputs]
        found = request.infer(given, share_inputs=True)
        answers = [found[place].copy() for place in range(len(self._model.outputs))]
        self._idle.put(request)
        return answers
