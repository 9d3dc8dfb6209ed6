"""What is worth knowing of how predictions were made: one JSON line for each step of a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Learning:
    """One subject that a method was shown.

    Attributes:
        subject: its name.
        seconds: what learning took.
        parameters: how many numbers were trained.
        weights: PerSAM-F's three weights; None for other methods.
        facts: what the concept says of itself: method and variant.
        failed: why it could not be learnt; None where it could.
    """

    subject: str
    seconds: float = 0.0
    parameters: int = 0
    weights: tuple[float, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: str | None = None


@dataclass(frozen=True)
class Finding:
    """One photo that was searched.

    Attributes:
        subject: what was studied for.
        stem: of the photo.
        seconds: what the search took.
        point: ``(x, y)`` of the first point prompt on the object; None where there was none.
        memory: the most that the process had held by then, in bytes; None where nobody studied.
    """

    subject: str
    stem: str
    seconds: float
    point: tuple[int, int] | None = None
    memory: int | None = None


def to_line(record: Learning | Finding) -> str:
    """The line of a record, with its line break; :func:`read_log` reads it back."""
    return json.dumps({type(record).__name__.lower(): asdict(record)}, allow_nan=False) + "\n"


def _record(line: str) -> Learning | Finding:
    [(kind, fields)] = json.loads(line).items()
    if kind == "learning":
        weights = fields["weights"]
        return replace(Learning(**fields), weights=None if weights is None else tuple(weights))
    point = fields["point"]
    return replace(Finding(**fields), point=None if point is None else tuple(point))


def read_log(path: Path) -> Iterator[Learning | Finding]:
    """Read the lines that :func:`to_line` wrote; a missing file has none.

    Raises:
        InputError: the file cannot be read, or a line before the last is something else (a broken
            last line is a killed run's).
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield _record(line)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if number < len(lines):
                raise InputError(
                    f"Line {number} of {path} is not a line of a persam run. Choose another folder."
                ) from error
