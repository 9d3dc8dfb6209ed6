"""The record of an album run: one JSON line a photo, which also makes the run resumable.

A record knows its photo by path and by content, and its mask by content, so that albums and
results that were moved go on, and a mask that a person has mended is told from a run's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from persam.errors import InputError
from persam.io.records import append_line, is_relative_name, parse, read_lines
from persam.io.writers import write_text
from persam.structures import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "manifest.jsonl"

Origin = Literal["run", "hand"]
MarkedPoint = tuple[int, int, int]


@dataclass(frozen=True)
class Stamp:
    """What a result depends on; a photo whose stamp is unchanged is not looked at again.

    Attributes:
        settings: fingerprint of the concept, the model and the recipe.
        size: of the photo's file, in bytes.
        mtime_ns: when that file was last changed, in nanoseconds.
        sha256: of that file's content; None where it changed while it was read.
    """

    settings: str
    size: int
    mtime_ns: int
    sha256: str | None = None


@dataclass(frozen=True)
class FoundObject:
    """One of several objects, or one instance of an object, in a photo.

    Attributes:
        label: its number in the mask, from 1.
        object: its name; None for an instance.
        score, presence, box, points, doubtful: as of a :class:`Record`.
    """

    label: int
    object: str | None = None
    score: float | None = 0.0
    presence: float | None = None
    box: Box | None = None
    points: tuple[MarkedPoint, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Record:
    """What became of one photo: a mask, or an error.

    Attributes:
        input: absolute path of the photo.
        output: name of its mask in the folder of the manifest, with ``/`` between the parts; None
            after an error.
        score: the model's estimate of the mask's IoU, about 0..1; None for a mask made by hand.
        box: tight box of the mask in pixels, None where the mask is empty.
        points: ``(x, y, label)`` of each prompt point, label 1 on the object.
        seconds: from opening the photo to its last written file.
        stamp: what the result depends on.
        presence: the probability that the object is there, 0..1; None where none is known.
        error: why there is no mask, in one line; None where there is one.
        found: what is in the mask by number, where several objects or instances were looked for;
            the facts above are then the first's.
        lines: of how many lines the photo was written as, where ``found`` was read from a file.
        mask_sha256: of the mask's file.
        doubtful: whether a person should look at it; see :class:`persam.structures.Prediction`.
        cutouts: how its cut-outs look, in the words of
            :attr:`persam.album.output.Output.look`; None where none were made.
        origin: ``"hand"`` for a mask that somebody changed after a run wrote it, else ``"run"``.
    """

    input: str
    output: str | None = None
    score: float | None = None
    box: Box | None = None
    points: tuple[MarkedPoint, ...] = ()
    seconds: float | None = None
    stamp: Stamp | None = None
    presence: float | None = None
    error: str | None = None
    found: tuple[FoundObject, ...] | None = None
    lines: int = field(default=0, compare=False)
    mask_sha256: str | None = None
    cutouts: str | None = None
    doubtful: bool = False
    origin: Origin = "run"

    @property
    def present(self) -> bool:
        """Whether anything was found in the photo."""
        return any(one.box is not None for one in (self,) + (self.found or ()))

    @property
    def complete(self) -> bool:
        """Whether all lines of the photo were read; a killed run may have written some of them."""
        return len(self.found or ()) >= self.lines

    def mask(self, folder: str | Path) -> Path:
        """Absolute path of the mask of a record that has one.

        Args:
            folder: of the manifest.
        """
        if self.output is None:
            raise ValueError(f"{self.input} has no mask, but an error: {self.error}")
        return Path(folder).absolute() / self.output

    def to_json(self) -> str:
        """One line: ``input`` and ``error``, or everything but ``error``; a line for each found.

        A line for nothing found of several has ``label`` null.
        """
        if self.error is not None:
            return json.dumps({"input": self.input, "error": self.error})
        # Not asdict(), which copies every number: a hundred objects are a hundred lines a photo.
        fields = {**vars(self), "stamp": None if self.stamp is None else vars(self.stamp)}
        del fields["error"], fields["found"], fields["lines"]
        if self.found is None:
            return json.dumps(fields, allow_nan=False)
        extras = [vars(one) for one in self.found] or [{"label": None, "object": None}]
        fields["of"] = len(self.found)
        return "\n".join(json.dumps(fields | extra, allow_nan=False) for extra in extras)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read what :meth:`to_json` wrote; fields of other programs are left out.

        Raises:
            ValueError: it is something else.
        """
        read = parse(line, _ManifestLine)
        if read.error is not None:
            return cls(read.input, error=read.error)
        if read.output is None or read.stamp is None or not is_relative_name(read.output):
            raise ValueError("neither an error nor a mask in this folder")
        facts: dict[str, Any] = {name: getattr(read, name) for name in _FACTS}
        record = cls(read.input, read.output, stamp=read.stamp, seconds=read.seconds, **facts)
        record = replace(
            record,
            mask_sha256=read.mask_sha256,
            cutouts=read.cutouts,
            origin=read.origin,
        )
        if read.of is None:
            return record
        found = () if read.label is None else (FoundObject(read.label, read.object, **facts),)
        return replace(record, found=found, lines=read.of)

    def followed_by(self, later: Record) -> Record:
        """What this line and a later one of the same photo say together.

        One run's lines of several objects add up; anything else is the later one's word alone.
        """
        numbers = {one.label for one in self.found or ()}
        added = {one.label for one in later.found or ()}
        same = (self.stamp, self.mask_sha256) == (later.stamp, later.mask_sha256)
        if not numbers or not added or numbers & added or not same:
            return later
        return replace(self, found=(*(self.found or ()), *(later.found or ())))


_FACTS = ("score", "presence", "box", "points", "doubtful")


@dataclass(frozen=True)
class _ManifestLine:
    """What a line may hold."""

    input: str
    error: str | None = None
    output: str | None = None
    score: float | None = None
    presence: float | None = None
    box: Box | None = None
    points: tuple[MarkedPoint, ...] = ()
    seconds: float | None = None
    stamp: Stamp | None = None
    mask_sha256: str | None = None
    cutouts: str | None = None
    doubtful: bool = False
    origin: Origin = "run"
    label: int | None = None
    object: str | None = None
    of: int | None = None


class Manifest:
    """``manifest.jsonl`` of one output folder.

    Lines are appended and flushed one by one, so that a killed run loses none; a photo that
    appears twice counts with its last line.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the folder's manifest, if there is one.

        Raises:
            InputError: a line before the last is broken (a broken last line is a killed run's), the
                file is another program's, or it cannot be read.
        """
        self.path = Path(folder) / NAME
        self.records: dict[str, Record] = {}
        for record in read_lines(self.path, Record.from_json):
            before = self.records.get(record.input)
            self.records[record.input] = before.followed_by(record) if before else record
        if not self.records and self.path.is_file():
            self._refuse_foreign()

    @property
    def names(self) -> dict[str, str]:
        """Stem of the results of every photo that has some, by the photo's absolute path."""
        every = self.records.values()
        return {r.input: r.output.rpartition(".")[0] for r in every if r.output is not None}

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

    def _refuse_foreign(self) -> None:
        with self.path.open("rb") as file:
            start = file.read(10)
        if not b'{"input": '.startswith(start):
            raise InputError(
                f"{self.path} is not the manifest of an album. Move it away, or choose another "
                f"folder."
            )
