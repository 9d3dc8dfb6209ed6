"""What is worth knowing of how predictions were made: one JSON line for each step of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from persam.io.records import parse, read_lines

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class _LogLine:
    """What a line may hold: one of the two."""

    learning: Learning | None = None
    finding: Finding | None = None


def _record(line: str) -> Learning | Finding:
    fields = parse(line, _LogLine)
    if fields.learning is not None and fields.finding is None:
        return fields.learning
    if fields.finding is not None and fields.learning is None:
        return fields.finding
    raise ValueError("neither a learning nor a finding")


def read_log(path: Path) -> list[Learning | Finding]:
    """Read the lines that :func:`to_line` wrote; a missing file has none.

    Raises:
        InputError: the file cannot be read, or a line before the last is something else (a broken
            last line is a killed run's).
    """
    return read_lines(path, _record)
