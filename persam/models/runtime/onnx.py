"""ONNX Runtime: the same file runs wherever ONNX does; on a CPU nearly as quick as OpenVINO."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.models.runtime.cpu import thread_count
from persam.models.runtime.streams import StreamedRunner

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from persam.models.runtime.choice import Runner
    from persam.models.runtime.convertible import Convertible

SUFFIX = ".onnx"
OPSET = 20


def write(wanted: Convertible, file: Path) -> None:
    """Write a network as one ``.onnx`` file, with its weights in ``.onnx.data`` where it is large.

    Raises:
        InputError: it does not convert.
    """
    import torch

    from persam.models.runtime.tracing import converting, hushed

    length = torch.export.Dim("length", min=2, max=1024)
    dynamic: Any = tuple({1: length} if name in wanted.free else None for name in wanted.inputs)
    what = f"Converting {type(wanted.network).__name__} to ONNX"
    with hushed("torch.onnx"), converting(what), torch.no_grad():
        torch.onnx.export(
            wanted.network,
            tuple(wanted.inputs.values()),
            file,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(wanted.inputs),
            output_names=list(wanted.outputs) or None,
            dynamic_shapes=(dynamic,) if wanted.free else None,
        )


def session(file: Path, streams: int = 1) -> Any:
    """Make a file ready to run on the CPU, with one thread a core.

    Args:
        file: the network.
        streams: calls side by side, which share the threads.

    Raises:
        InputError: the file cannot be read.
    """
    import onnxruntime
    import onnxruntime.capi.onnxruntime_pybind11_state as errors

    _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, thread_count() // streams)
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # which keeps room for all of a network's maps at once
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that wait by turning would keep the other networks' threads from the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    broken = (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.NoSuchFile)
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except broken as error:
        raise InputError(f"{file} is no model that ONNX Runtime reads: {error}.") from error


@cache
def _share_memory() -> None:
    """Let all sessions keep memory together, and no more than they have asked for.

    One photo takes 250 MB instead of 315, and an album as long as with an arena for each session,
    which doubles whenever it grows.
    """
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = {"arena_extend_strategy": 1}
    onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(as_requested))


def runner(file: Path, _precision: str) -> Runner:
    """What asks a file's network once, in the file's own format; raises as :func:`session`."""
    return StreamedRunner(lambda streams: partial(run, session(file, streams)))


def run(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Ask a session once; a session may be asked by several threads at the same time."""
    names = [place.name for place in model.get_inputs()]
    return model.run(None, dict(zip(names, inputs, strict=True)))
