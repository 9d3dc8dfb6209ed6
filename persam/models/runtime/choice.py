"""Which engine runs a model, and in which number format; nothing is loaded to decide that."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from persam.errors import InputError, MissingExtra
from persam.models.runtime.cpu import computes_in_bf16, cpu_class

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
        reason: why, in words, for people; empty until both are settled.
    """

    engine: str = "auto"
    precision: str = "auto"
    reason: str = field(default="", compare=False)

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
        engine, chosen = (self.engine, _ASKED) if self.engine != "auto" else _best_engine(device)
        if engine in PACKAGES:
            require(engine, run=run)
            if device != "cpu":
                raise InputError(
                    f"Engine {engine} runs encoders on the CPU here, not on {device}. Take "
                    f'device="cpu", or the engine torch.'
                )
        if self.precision == "auto":
            kept = _needs_fp32(engine, family, device)
            return RuntimeChoice(engine, "fp32" if kept else "bf16", f"{chosen}; {kept or _BF16}")
        if engine == "onnx" and self.precision != "fp32":
            raise InputError(
                f"Engine onnx computes in fp32 on a CPU; got precision {self.precision!r}. Take "
                f"fp32 or auto, or the engine openvino or torch."
            )
        return RuntimeChoice(engine, self.precision, f"{chosen}; {_ASKED}")


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


_ASKED = "asked for"
_BF16 = "bf16 is multiplied here, and masks stay the same"


def _best_engine(device: str) -> tuple[str, str]:
    """The engine where nobody has asked for one, and why."""
    # Compiling costs tens of seconds in every process before the first picture, on a CPU more than
    # it gives back over an album of hundreds, and changes with every batch size: only where asked.
    if device != "cpu":
        return "torch", "what runs on this device"
    engines = (name for name in ("openvino", "onnx") if not missing(name))
    return next(engines, "torch"), "the quickest that is here"


def _needs_fp32(engine: str, family: str, device: str) -> str:
    """Why numbers are not multiplied in bf16 there where nobody asks for it; empty where they are.

    On a GPU, where bf16 is what large models are run in, they are of families not measured, too.
    """
    if family in OTHER_IN_BF16:
        return "in fewer bits its masks would be others"
    if device != "cpu":
        import torch

        able = device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 0)
        return "" if able else "it does not multiply bf16"
    if family not in SAME_IN_BF16:
        return "its masks in fewer bits were not measured"
    if not computes_in_bf16():
        return f"{cpu_class()} has no bf16, and int8 is on request (persam export --int8)"
    return "it does not compute in bf16 on processors" if engine == "onnx" else ""
