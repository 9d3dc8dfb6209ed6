"""The record of an album run: one JSON line a photo, which also makes the run resumable."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from persam.io.records import append_line, parse, read_lines
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persam.structures import Box

NAME = "manifest.jsonl"

T = TypeVar("T")


@dataclass(frozen=True)
class Stamp:
    """What a result depends on; a photo whose stamp is unchanged needs no second look.

    Attributes:
        settings: fingerprint of the concept, the model and the recipe.
        size: of the photo's file, in bytes.
        mtime_ns: when that file was last changed, in nanoseconds.
    """

    settings: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class FoundObject:
    """One of several objects, or one instance of an object, in a photo.

    Attributes:
        label: its number in the mask, from 1.
        object: its name; None for an instance.
        score, presence, box, points: as of a :class:`Record`.
    """

    label: int
    object: str | None = None
    score: float = 0.0
    presence: float | None = None
    box: Box | None = None
    points: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Record:
    """What became of one photo: a mask, or an error.

    Attributes:
        input: absolute path of the photo.
        output: absolute path of its mask, None after an error.
        score: the model's estimate of the mask's IoU, about 0..1.
        box: tight box of the mask in pixels, None where the mask is empty.
        points: ``(x, y, label)`` of each prompt point, label 1 on the object.
        seconds: from opening the photo to its last written file.
        stamp: what the result depends on.
        presence: the probability that the object is there, 0..1; None where none is known.
        error: why there is no mask, in one line; None where there is one.
        found: what is in the mask by number, where several objects or instances were looked for;
            the facts above are then the first's.
        lines: of how many lines the photo was written as, where ``found`` was read from a file.
    """

    input: str
    output: str | None = None
    score: float | None = None
    box: Box | None = None
    points: tuple[tuple[int, int, int], ...] = ()
    seconds: float | None = None
    stamp: Stamp | None = None
    presence: float | None = None
    error: str | None = None
    found: tuple[FoundObject, ...] | None = None
    lines: int = field(default=0, compare=False)

    @property
    def complete(self) -> bool:
        """Whether all lines of the photo were read; a killed run may have written some of them."""
        return len(self.found or ()) >= self.lines

    def to_json(self) -> str:
        """One line: ``input`` and ``error``, or everything but ``error``; a line for each found.

        A line for nothing found of several has ``label`` null.
        """
        if self.error is not None:
            return json.dumps({"input": self.input, "error": self.error})
        fields = asdict(self)
        del fields["error"], fields["found"], fields["lines"]
        if self.found is None:
            return json.dumps(fields, allow_nan=False)
        extras = [asdict(one) for one in self.found] or [{"label": None, "object": None}]
        fields["of"] = len(self.found)
        return "\n".join(json.dumps(fields | extra, allow_nan=False) for extra in extras)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read what :meth:`to_json` wrote; fields of other programs are left out.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls._of(parse(line, dict[str, Any]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record of an album: {error!r}") from error

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Record:
        if "error" in fields:
            return cls(input=str(fields["input"]), error=str(fields["error"]))
        box = fields["box"]
        record = cls(
            input=str(fields["input"]),
            output=str(fields["output"]),
            score=float(fields["score"]),
            box=None if box is None else tuple(box),
            points=tuple((x, y, label) for x, y, label in fields["points"]),
            seconds=float(fields["seconds"]),
            stamp=Stamp(**fields["stamp"]),
            presence=fields.get("presence"),  # lines of earlier versions have none
        )
        if "label" not in fields:
            return record
        facts = {name: getattr(record, name) for name in ("score", "presence", "box", "points")}
        label, name = fields["label"], fields["object"]
        found = () if label is None else (FoundObject(int(label), name, **facts),)
        return replace(record, found=found, lines=int(fields["of"]))

    def followed_by(self, later: Record) -> Record:
        """What this line and a later one of the same photo say together.

        One run's lines of several objects add up; anything else is the later one's word alone.
        """
        numbers = {one.label for one in self.found or ()}
        added = {one.label for one in later.found or ()}
        if not numbers or not added or numbers & added or self.stamp != later.stamp:
            return later
        return replace(self, found=(*(self.found or ()), *(later.found or ())))


class Manifest:
    """``manifest.jsonl`` of one output folder.

    Lines are appended and flushed one by one, so that a killed run loses none; a photo that
    appears twice counts with its last line.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the folder's manifest, if there is one.

        Raises:
            InputError: a line before the last is broken (a broken last line is a killed run's), or
                the file cannot be read.
        """
        self.path = Path(folder) / NAME
        self.records: dict[str, Record] = {}
        for record in read_lines(self.path, Record.from_json):
            before = self.records.get(record.input)
            self.records[record.input] = before.followed_by(record) if before else record

    @property
    def names(self) -> dict[str, str]:
        """Stem of the results of every photo that has some, by the photo's absolute path."""
        every = self.records.values()
        return {one.input: Path(one.output).stem for one in every if one.output is not None}

    def add(self, record: Record) -> None:
        """Take a record up and append its line."""
        self.records[record.input] = record
        append_line(self.path, record.to_json())

    def tidy(self, order: Iterable[str] = ()) -> None:
        """Rewrite the file: one line a photo, the inputs of ``order`` last and in that order."""
        last = [self.records[name] for name in order if name in self.records]
        inputs = {record.input for record in last}
        first = [record for record in self.records.values() if record.input not in inputs]
        write_text(self.path, "".join(record.to_json() + "\n" for record in first + last))
