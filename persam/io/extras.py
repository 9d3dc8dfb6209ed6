"""Optional packages, imported where they are wanted; a missing one is named with its pip line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from persam.errors import MissingExtra


def import_extra(module: str, extra: str, what: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: its dotted name.
        extra: persam's extra that brings the package.
        what: what wants it, in the plural; the message begins with it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(f"{what} need an extra: pip install 'persam[{extra}]'") from error
