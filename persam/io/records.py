"""Records in JSON: read by one strict parser, written line by line so that a kill loses no line.

Whatever stands in a file that a person or a killed run left, the answer is a value of the declared
type or one ``InputError``: no NaN, no number out of range, no nesting without end.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from persam.errors import InputError
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import UnionType

T = TypeVar("T")

MOST_BYTES = 1_000_000_000  # of a file of lines
MOST_BYTES_AT_ONCE = 64_000_000  # of one value
MOST_NESTING = 32
MOST_LETTERS = 4096  # of a name or path
# What no file's name holds.
_STRANGE = re.compile(r"[/\x00]" if os.name == "posix" else r"[/\\\x00-\x1f]|^[A-Za-z]:")


@overload
def parse(text: str | bytes, kind: type[T]) -> T: ...
@overload
def parse(text: str | bytes, kind: UnionType) -> Any: ...
def parse(text: str | bytes, kind: Any) -> Any:
    """Read one JSON value of a declared type.

    Args:
        text: the JSON; UTF-8 where it is bytes.
        kind: a dataclass, or any type that msgspec validates.

    Raises:
        ValueError: not JSON, not of that type, too large or nested too deeply.

    Example:
        >>> parse('{"a": 1}', dict[str, int])
        {'a': 1}
    """
    if len(text) > MOST_BYTES_AT_ONCE:
        raise ValueError(f"more than {MOST_BYTES_AT_ONCE:,} bytes")
    try:
        # The standard library reads what file names may hold and UTF-8 may not: half a surrogate.
        value = json.loads(text)
        _check_depth(value, MOST_NESTING)
        return msgspec.convert(value, kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def read_json(path: Path, kind: type[T], what: str) -> T | None:
    """Read a file that holds one JSON value; None where there is none.

    Args:
        path: the file.
        kind: as for :func:`parse`.
        what: what the file ought to be and what to do, for the error, as ``"is not the record of a
            run. Choose another folder."``

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    refuse_special(path)
    try:
        with path.open("rb") as file:
            return parse(file.read(MOST_BYTES_AT_ONCE + 1), kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{path} {what} ({error})") from error


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file and let go of the file, so that a killed run has written it.

    Raises:
        InputError: the operating system refuses.
    """
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(line + "\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def read_lines(path: Path, parse_line: Callable[[str], T]) -> list[T]:
    """Read a file that was written line by line; none for a file that is missing.

    Args:
        path: the file.
        parse_line: makes a record of a line, or raises ValueError.

    Raises:
        InputError: a line before the last is broken (a broken last line is a killed run's), or
            the file cannot be read.
    """
    refuse_special(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} has more than {MOST_BYTES:,} bytes. Move it away.")
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    records: list[T] = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(parse_line(line))
        except ValueError as error:
            if number < len(lines):
                raise InputError(
                    f"Line {number} of {path} is not a line of a persam run ({_brief(error)}). "
                    f"Move the file away, or choose another folder."
                ) from error
    return records


def is_file_name(name: str) -> bool:
    """Whether a text can be a file's name inside a folder here, and nothing but that.

    A name may hold whatever the system allows, which on POSIX is all but a slash and NUL.

    Example:
        >>> [is_file_name(name) for name in ("dog.png", "../dog.png", "/dog.png", "")]
        [True, False, False, False]
    """
    return 0 < len(name) <= 255 and name not in (".", "..") and not _STRANGE.search(name)


def is_relative_name(name: str) -> bool:
    """Whether a text is the name of a file in a folder or below it, with ``/`` between the parts.

    Example:
        >>> [is_relative_name(name) for name in ("a/dog.png", "a/../../dog.png", "a//b")]
        [True, False, False]
    """
    return len(name) <= MOST_LETTERS and all(map(is_file_name, name.split("/")))


def _check_depth(value: Any, left: int) -> None:
    """Refuse what is nested deeper than any record, and numbers that are not finite."""
    if left == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is not finite")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for inner in value:
        _check_depth(inner, left - 1)


def _brief(error: ValueError) -> str:
    return " ".join(str(error).split())[:200]
