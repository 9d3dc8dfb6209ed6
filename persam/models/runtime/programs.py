"""The programs that run converted networks: converting for them, and running by them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from persam.models.runtime import conversion_cache
from persam.models.runtime.choice import PACKAGES, require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import torch

    from persam.models.runtime.choice import Runner


def converted(
    network: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    side: int,
    engine: str,
    free: Sequence[str] = (),
) -> Path:
    """Convert a network in fp32, or take the conversion that is kept.

    Args:
        network: in evaluation mode.
        inputs: any, by their names, in the order of its arguments.
        side: of the model's input in pixels.
        engine: one of ``PACKAGES``.
        free: names of inputs whose second axis may be of any length.

    Returns:
        The file, for :func:`runner`.

    Raises:
        MissingExtra: the engine's packages are not installed.
        InputError: the network cannot be converted.
    """
    require(engine)
    made = program(engine)
    name = conversion_cache.key(network, side, PACKAGES[engine])
    place = conversion_cache.kept(
        name, lambda folder: made.write(network, inputs, folder / made.FILE, free)
    )
    return place / made.FILE


def runner(engine: str, file: Path, precision: str = "fp32") -> Runner:
    """Make a converted network ready to run on the CPU by one of ``PACKAGES``.

    Raises:
        InputError: the file cannot be read, or the CPU lacks the format.
    """
    return program(engine).runner(file, precision)


def program(engine: str) -> Any:
    """The module of one of ``PACKAGES``, which writes and runs networks; it needs the packages."""
    return importlib.import_module(f"persam.models.runtime.{engine}")
