"""Which engine runs a model, and in which number format; nothing is loaded to decide that."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from persam.errors import InputError, MissingExtra
from persam.models.runtime.cpu import computes_in_bf16

if TYPE_CHECKING:
    import numpy as np

# Inputs of a network in their order -> its outputs; float32 but for labels; safe in any thread.
Runner: TypeAlias = "Callable[[list[np.ndarray]], list[np.ndarray]]"

ENGINES = ("auto", "torch", "compile", "openvino", "onnx")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
# What converts and runs, and what only runs, a network by each engine.
PACKAGES = {"openvino": ("openvino",), "onnx": ("onnx", "onnxruntime", "onnxscript")}
RUNNING = {"openvino": ("openvino",), "onnx": ("onnxruntime",)}
_TORCH = ("torch", "transformers")

# Families whose answers stay the same with an encoder in bf16. From
# `python benchmarks/engines.py DATA`: cosine of the features to those in fp32 at least 0.9999, with
# the sizes of SAM ViT-B, MobileSAM and SAM 2's tiny Hiera; SAM 3 and EdgeTAM were not measured.
SAME_IN_BF16 = frozenset({"sam", "mobile_sam", "sam2"})
# The pocket model's masks only agree with 0.967 IoU instead of the 0.99 that are asked for, since
# objects are compared by what little differs between its cells.
OTHER_IN_BF16 = frozenset({"pocket"})


class Engine(Protocol):
    """Runs one image encoder.

    Attributes:
        name: one of ``ENGINES``, never ``"auto"``.
        precision: the number format it computes in, never ``"auto"``; ``"int8"`` for an exported
            encoder that was calibrated.
    """

    name: str
    precision: str

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """``(n, 3, s, s)`` float32 -> float32 maps, n rows each."""
        ...


@dataclass(frozen=True)
class RuntimeChoice:
    """What runs an encoder, and in which number format; either may still be ``"auto"``.

    Attributes:
        engine: one of ``ENGINES``.
        precision: one of ``PRECISIONS``.
    """

    engine: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        pairs = (("Engine", self.engine, ENGINES), ("Precision", self.precision, PRECISIONS))
        for what, given, known in pairs:
            if given not in known:
                raise InputError(f"{what} is one of {', '.join(known)}; got {given!r}.")

    def wished(self) -> RuntimeChoice:
        """With PERSAM_ENGINE and PERSAM_PRECISION, where they are set, in the place of ``"auto"``.

        Raises:
            InputError: they are none of the names.
        """
        names = ("PERSAM_ENGINE", "PERSAM_PRECISION")
        env = RuntimeChoice(*(os.environ.get(name, "auto") for name in names))
        return RuntimeChoice(
            env.engine if self.engine == "auto" else self.engine,
            env.precision if self.precision == "auto" else self.precision,
        )

    def settled(self, family: str, device: str, *, run: bool = False) -> RuntimeChoice:
        """Decide what is open, for a family on a device.

        Args:
            family: of the model.
            device: where it computes.
            run: the networks are converted already.

        Raises:
            InputError: an engine that does not run there, or not in that format.
            MissingExtra: an engine whose packages are not installed.
        """
        engine = _best_engine(device) if self.engine == "auto" else self.engine
        if engine in PACKAGES:
            require(engine, run=run)
            if device != "cpu":
                raise InputError(
                    f"Engine {engine} runs encoders on the CPU here, not on {device}. Take "
                    f'device="cpu", or the engine torch.'
                )
        if self.precision == "auto":
            # On a GPU, where bf16 is what large models are run in, also what was not measured.
            usual = device.startswith("cuda") and family not in OTHER_IN_BF16
            low = _low(engine, device) and (usual or family in SAME_IN_BF16)
            return RuntimeChoice(engine, "bf16" if low else "fp32")
        if engine == "onnx" and self.precision != "fp32":
            raise InputError(
                f"Engine onnx computes in fp32 on a CPU; got precision {self.precision!r}. Take "
                f"fp32 or auto, or the engine openvino or torch."
            )
        return RuntimeChoice(engine, self.precision)


def missing(engine: str, *, run: bool = False) -> list[str]:
    """Packages that an engine needs and that are not installed here.

    Args:
        engine: one of ``ENGINES``.
        run: to run what is converted already.
    """
    return _absent((RUNNING if run else PACKAGES).get(engine, ()))


def require(engine: str, *, run: bool = False) -> None:
    """Raise MissingExtra, with the pip line, where an engine's packages are not all there."""
    if absent := missing(engine, run=run):
        raise MissingExtra(
            f"Engine {engine} needs {' and '.join(absent)}: pip install 'persam[{engine}]'"
        )


def require_torch(what: str) -> None:
    """Raise MissingExtra, with the pip line, where torch or transformers is not there."""
    if absent := _absent(_TORCH):
        raise MissingExtra(f"{what} needs {' and '.join(absent)}: pip install 'persam[torch]'")


def has_torch() -> bool:
    """Whether torch and transformers are there, without loading them."""
    return not _absent(_TORCH)


def _absent(packages: Iterable[str]) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name) is None]


def _best_engine(device: str) -> str:
    # Compiling costs tens of seconds in every process before the first picture, on a CPU more than
    # it gives back over an album of hundreds, and changes with every batch size: only where asked.
    if device != "cpu":
        return "torch"
    return next((name for name in ("openvino", "onnx") if not missing(name)), "torch")


def _low(engine: str, device: str) -> bool:
    """Whether numbers are multiplied in bf16 there, rather than converted back and forth."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device == "cpu" and engine != "onnx" and computes_in_bf16()
