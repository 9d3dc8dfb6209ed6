"""The programs that run converted networks: converting for them, and running by them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from persam.models.runtime.choice import PACKAGES, require

if TYPE_CHECKING:
    from pathlib import Path

    from persam.models.runtime.choice import Runner
    from persam.models.runtime.convertible import Convertible


def converted(wanted: Convertible, engine: str) -> Path:
    """Convert a network in fp32, or take the conversion that is kept.

    Args:
        wanted: the network.
        engine: one of ``PACKAGES``.

    Returns:
        The file, for :func:`runner`; what else belongs to it lies in the same folder.

    Raises:
        MissingExtra: the engine's packages are not installed.
        InputError: the network cannot be converted.
    """
    from persam.models.runtime import conversion_cache

    require(engine)
    made = program(engine)
    file = f"{wanted.part}{made.SUFFIX}"
    name = conversion_cache.key(wanted.network, wanted.side, PACKAGES[engine])
    return conversion_cache.kept(name, lambda folder: made.write(wanted, folder / file)) / file


def runner(engine: str, file: Path, precision: str = "fp32") -> Runner:
    """Make a converted network ready to run on the CPU by one of ``PACKAGES``.

    Raises:
        InputError: the file cannot be read, or the CPU lacks the format.
    """
    return program(engine).runner(file, precision)


def program(engine: str) -> Any:
    """The module of one of ``PACKAGES``, which writes and runs networks; it needs the packages."""
    return importlib.import_module(f"persam.models.runtime.{engine}")
