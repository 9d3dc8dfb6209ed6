"""Fields of label files, checked: everything that is not what it should be is one clear line."""

from __future__ import annotations

import json
import math
import reprlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.io.special_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHOWN = 80  # characters of a strange value in an error
LARGEST = 500_000_000  # pixels of a picture, beyond which a size is a mistake or an attack


class Problems:
    """One line for each thing in label files that could not be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def noted(self, where: str) -> Iterator[None]:
        """Note what goes wrong inside, and go on behind it."""
        try:
            yield
        except InputError as error:
            text = str(error)
            self.lines.append(text if text.startswith(where) else f"{where}: {text}")


def read_text(path: Path) -> str:
    """Text of a label file, with or without a byte order mark.

    Raises:
        InputError: it cannot be read, or is no text.
    """
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file (byte {error.start} is not UTF-8).") from error


def read_json(path: Path) -> Any:
    """Contents of a JSON file.

    Raises:
        InputError: it cannot be read, or is no JSON; names the line.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = " It seems cut off." if error.pos >= len(text.rstrip()) else ""
        raise InputError(
            f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.{cut}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path} is not JSON that a label tool writes: {error}.") from error


def as_mapping(value: object, what: str) -> dict[str, Any]:
    """A JSON object, or InputError."""
    if not isinstance(value, dict):
        raise InputError(f"{what} is {_shown(value)}, but should be an object with names")
    return value


def as_list(value: object, what: str) -> list[Any]:
    """A JSON list, or InputError."""
    if not isinstance(value, list):
        raise InputError(f"{what} is {_shown(value)}, but should be a list")
    return value


def as_text(value: object, what: str) -> str:
    """Text that is not empty, or InputError."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} is {_shown(value)}, but should be text")
    return value


def as_whole(value: object, what: str) -> int:
    """A whole number, also as text or as 3.0, or InputError."""
    number = as_number(value, what)
    if number != int(number):
        raise InputError(f"{what} is {_shown(value)}, but should be a whole number")
    return int(number)


def as_number(value: object, what: str) -> float:
    """A finite number, also as text, or InputError."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{what} is {_shown(value)}, but should be a number")
    return number


def as_size(height: object, width: object, what: str) -> tuple[int, int]:
    """Height and width of a picture, or InputError."""
    size = as_whole(height, f"the height of {what}"), as_whole(width, f"the width of {what}")
    if min(size) < 1 or size[0] * size[1] > LARGEST:
        raise InputError(f"{what} is said to have {size[1]}x{size[0]} pixels")
    return size


def as_points(values: object, what: str, least: int = 1) -> np.ndarray:
    """Pairs of finite numbers, flat or as a list of pairs: ``(n, 2)``, or InputError."""
    listed = as_list(values, what)
    flat = [
        as_number(number, f"a coordinate of {what}")
        for one in listed
        for number in (one if isinstance(one, list) else [one])
    ]
    pairs_lost = any(isinstance(one, list) and len(one) != 2 for one in listed)
    if len(flat) % 2 or len(flat) < 2 * least or pairs_lost:
        raise InputError(f"{what} has {len(flat)} numbers, but should have {least} x,y or more")
    return np.array(flat, dtype=np.float64).reshape(-1, 2)


def required(mapping: dict[str, Any], name: str, what: str) -> Any:
    """A field that has to be there, or InputError."""
    if name not in mapping:
        raise InputError(f"{what} has no {name!r}")
    return mapping[name]


def _shown(value: object) -> str:
    text = reprlib.repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
