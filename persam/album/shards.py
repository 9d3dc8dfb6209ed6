"""Albums in parts: which photos are a part's, and what a part was to do, for whoever merges.

A photo's part is told by a hash of its name alone, so that parts need not know of each other and
an album that grows keeps every photo where it was.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from persam.errors import InputError
from persam.io.records import parse, read_lines
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAN = ".persam-shard.jsonl"


@dataclass(frozen=True, order=True)
class Shard:
    """One of several parts of an album.

    Attributes:
        number: from 1.
        of: how many parts there are.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(
                f"A shard is a number from 1 and how many there are, as 3/16; got {self}."
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``3/16``.

        Raises:
            InputError: something else.

        Example:
            >>> Shard.parse("3/16")
            Shard(number=3, of=16)
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
        if not found:
            raise InputError(
                f"A shard is a number from 1 and how many there are, as 3/16; got {text!r}."
            )
        return cls(int(found[1]), int(found[2]))

    def has(self, name: str) -> bool:
        """Whether a photo of that name is this part's.

        Example:
            >>> [Shard(1, 2).has(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
            [True, True, False]
        """
        # The same letters in different bytes are one name: systems differ in that.
        letters = unicodedata.normalize("NFC", name).encode("utf-8", errors="surrogatepass")
        return int.from_bytes(hashlib.sha256(letters).digest()[:8]) % self.of == self.number - 1

    def positions(self, photos: Sequence[Path], roots: Sequence[str | Path] = ()) -> list[int]:
        """Which of an album's photos are this part's, by their places in it.

        Args:
            photos: of the whole album.
            roots: folders within which names begin; elsewhere a name is the file's own. Where the
                album lies on a machine thus decides nothing.
        """
        names = album_names(photos, roots)
        return [place for place, name in enumerate(names) if self.has(name)]


def album_names(photos: Sequence[Path], roots: Sequence[str | Path] = ()) -> list[str]:
    """What photos are called wherever the album lies, see :meth:`Shard.positions`."""
    places = [Path(root).absolute() for root in roots]
    return [_name(photo, places) for photo in photos]


def _name(photo: Path, roots: Sequence[Path]) -> str:
    place = photo.absolute()
    inside = (place.relative_to(root).as_posix() for root in roots if place.is_relative_to(root))
    return next(inside, photo.name)


class _Head(NamedTuple):
    """First line of a plan."""

    shard: str
    photos: int
    album: str


@dataclass(frozen=True)
class ShardPlan:
    """What a part was to do.

    Attributes:
        shard: which part.
        photos: how many the whole album had.
        album: a digest of all their names.
        places: where each photo of the part stands in the album, by its absolute path.
    """

    shard: Shard
    photos: int
    album: str
    places: dict[str, int]

    @classmethod
    def of(
        cls, shard: Shard, photos: Sequence[Path], roots: Sequence[str | Path] = ()
    ) -> ShardPlan:
        """Plan a part of an album.

        Args:
            shard: which part.
            photos: of the whole album.
            roots: as for :meth:`Shard.positions`.
        """
        album = hashlib.sha256("\n".join(album_names(photos, roots)).encode(errors="replace"))
        mine = {str(photos[n].absolute()): n for n in shard.positions(photos, roots)}
        return cls(shard, len(photos), album.hexdigest()[:16], mine)

    @classmethod
    def read(cls, folder: str | Path) -> ShardPlan | None:
        """Read what :func:`write_plan` wrote; None where the folder's run was of a whole album.

        Raises:
            InputError: it is damaged.
        """
        lines = read_lines(Path(folder) / PLAN, _parse_line)
        if not lines:
            return None
        head, *places = lines
        if not isinstance(head, _Head) or any(isinstance(one, _Head) for one in places):
            raise InputError(f"{Path(folder) / PLAN} is damaged. Run that shard again.")
        inputs = {one[1]: one[0] for one in places if not isinstance(one, _Head)}
        return cls(Shard.parse(head.shard), head.photos, head.album, inputs)


def refuse_other_shard(folder: str | Path, plan: ShardPlan | None) -> None:
    """Refuse a folder that has another part's results: nobody could say what it lacks.

    Raises:
        InputError: it does, or its plan is damaged.
    """
    there = ShardPlan.read(folder)
    if plan is not None and there is not None and there.shard != plan.shard:
        raise InputError(
            f"{folder} has the results of shard {there.shard}; got shard {plan.shard}. Give every "
            f"shard a folder of its own."
        )


def write_plan(folder: str | Path, plan: ShardPlan | None) -> None:
    """Write a part's plan beside its results; of a run of all photos there is none any more.

    Raises:
        InputError: the folder cannot be written.
    """
    path = Path(folder) / PLAN
    if plan is None:
        path.unlink(missing_ok=True)
        return
    lines = [json.dumps(_Head(str(plan.shard), plan.photos, plan.album))]
    lines += [json.dumps([place, photo]) for photo, place in plan.places.items()]
    write_text(path, "\n".join(lines) + "\n")


def _parse_line(line: str) -> _Head | tuple[int, str]:
    if line.startswith('["'):
        return parse(line, _Head)
    return parse(line, tuple[int, str])
