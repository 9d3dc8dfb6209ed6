"""The results of an album's parts put together: as one run over the whole album leaves them."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.manifest import Manifest, Record
from persam.album.shards import Shard, ShardPlan
from persam.errors import InputError
from persam.io.folders import alike
from persam.io.own_files import OwnFiles, file_sha256
from persam.io.writers import write_bytes
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAMED = 5  # photos in a line about many
_SHEET = "sheet.html"  # of one part alone; the same run over the whole album makes that of all


@dataclass(frozen=True)
class MergedAlbum:
    """What was put together.

    Attributes:
        records: one for each photo, in the album's order.
        manifest: the written ``manifest.jsonl``.
        copied: how many files were copied now; what was there already and alike is left.
        duplicates: photos that several folders have, alike in all, by their absolute paths.
        gaps: what is missing, one line for each kind; empty where the album is whole.
    """

    records: tuple[Record, ...]
    manifest: Path
    copied: int
    duplicates: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Record, ...]:
        """The photos without a mask."""
        return tuple(record for record in self.records if record.error is not None)


@dataclass(frozen=True, eq=False)
class _ShardResults:
    """One folder of results, as its run left it."""

    folder: Path
    records: dict[str, Record]
    own: OwnFiles
    plan: ShardPlan | None

    @classmethod
    def read(cls, folder: Path) -> _ShardResults:
        manifest = Manifest(folder)
        plan = ShardPlan.read(folder)
        if not manifest.path.is_file() and plan is None:
            raise InputError(f"{folder} has no manifest.jsonl. Give folders that persam wrote.")
        records = {name: one for name, one in manifest.records.items() if one.complete}
        return cls(folder.absolute(), records, OwnFiles(folder), plan)

    def files(self) -> Iterator[Path]:
        """What is to be copied: the masks, and whatever else the part's runs wrote."""
        masks = {one.mask(self.folder) for one in self.records.values() if one.output is not None}
        others = {self.folder / name for name in self.own.names} - {self.folder / _SHEET}
        yield from sorted(path for path in masks | others if path.is_file())


def merge_albums(folders: Sequence[str | Path], into: str | Path) -> MergedAlbum:
    """Put the results of an album's parts together, so that a run over the whole album goes on.

    Masks and all other files are copied byte by byte, those that somebody has changed, too. Nothing
    is written over: a second call goes on where the first one stopped, and adds parts that were
    finished since.

    Args:
        folders: of the parts, each as a run left it. Runs over shards know what is missing.
        into: another folder, which is made where it is missing.

    Raises:
        InputError: a folder has no results, or those of another run; folders contradict each other;
            or a file in ``into`` has another content.
    """
    places = list(dict.fromkeys(Path(folder).absolute() for folder in folders))
    missing = [str(place) for place in places if not place.is_dir()]
    if missing or not places:
        raise InputError(f"There is no folder {', '.join(missing) or 'to merge'}. Give some.")
    if Path(into).absolute() in places:
        raise InputError(f"--into {into} is one of the parts. Choose another folder.")
    with ExitStack() as stack:
        for place in (*places, Path(into)):
            stack.enter_context(locked(place))
        return _merge([_ShardResults.read(place) for place in places], Path(into).absolute())


def _merge(parts: Sequence[_ShardResults], into: Path) -> MergedAlbum:
    manifest, own = Manifest(into), OwnFiles(into)
    _refuse_other_runs([*parts, _ShardResults(into, manifest.records, own, None)])
    records, duplicates = _together(parts)
    _refuse_one_name(records)
    copies = _copies(parts, into)
    for part in parts:
        own.adopt(part.own)
    own.tidy()
    for target, source in copies.items():
        write_bytes(target, source.read_bytes())
    order = _in_order(records, parts)
    manifest.records.update(records)
    manifest.tidy(order)
    whole = tuple(records[name] for name in order)
    return MergedAlbum(whole, manifest.path, len(copies), duplicates, _gaps(parts, records))


def _refuse_other_runs(parts: Sequence[_ShardResults]) -> None:
    """Refuse parts that looked for something else, or otherwise."""
    settings = {
        record.stamp.settings: part.folder
        for part in parts
        for record in part.records.values()
        if record.stamp is not None
    }
    if len(settings) > 1:
        one, other, *_ = settings.values()
        raise InputError(
            f"{one} and {other} looked for different objects, or with another model or recipe. "
            f"Merge the parts of one run."
        )


def _together(parts: Sequence[_ShardResults]) -> tuple[dict[str, Record], tuple[str, ...]]:
    """One record for each photo, and the photos that several parts have alike."""
    records: dict[str, Record] = {}
    duplicates: dict[str, None] = {}
    for part in parts:
        for name, record in part.records.items():
            before = records.get(name)
            if before is None or before.error is not None:
                records[name] = record
            elif record.error is None:
                _refuse_contradiction(before, record, part)
            if before is not None:
                duplicates[name] = None
    return records, tuple(duplicates)


def _refuse_contradiction(before: Record, record: Record, part: _ShardResults) -> None:
    if replace(before, seconds=None) != replace(record, seconds=None):
        raise InputError(
            f"{record.input} has two different results, one of them in {part.folder}. Merge "
            f"without one of the folders, or make its mask again there."
        )


def _refuse_one_name(records: dict[str, Record]) -> None:
    """Refuse two photos whose masks would be one file."""
    owners: dict[str, str] = {}
    for record in records.values():
        if record.output is None:
            continue
        other = owners.setdefault(alike(record.output), record.input)
        if other != record.input:
            raise InputError(
                f"The masks of {other} and {record.input} are both called {record.output}. Rename "
                f"one of the photos and run its shard again."
            )


def _copies(parts: Sequence[_ShardResults], into: Path) -> dict[Path, Path]:
    """Where each file that is not there yet comes from.

    Raises:
        InputError: a file is there with another content, or two parts have it differently.
    """
    sources: defaultdict[Path, list[Path]] = defaultdict(list)
    for part in parts:
        for path in part.files():
            sources[into / path.relative_to(part.folder)].append(path)
    copies = {}
    for target, found in sources.items():
        contents = {path: file_sha256(path) for path in found}
        there = file_sha256(target)
        known = set(contents.values()) | ({there} - {None})
        if len(known) > 1:
            others = ", ".join(map(str, found))
            raise InputError(
                f"{target} would be written over, or comes in two contents ({others}). Choose "
                f"another --into, or move it away."
            )
        if there is None:
            copies[target] = found[0]
    return copies


def _in_order(records: dict[str, Record], parts: Sequence[_ShardResults]) -> list[str]:
    """All photos as the whole album has them; without plans, part after part."""
    places: dict[str, int] = {}
    for part in parts:
        places.update(part.plan.places if part.plan else {})
    return sorted(records, key=lambda name: places.get(name, len(places)))


def _gaps(parts: Sequence[_ShardResults], records: dict[str, Record]) -> tuple[str, ...]:
    """What is missing of the album that the parts' plans tell of."""
    plans = {part.folder: part.plan for part in parts if part.plan is not None}
    if not plans:
        return ()
    lines = []
    albums = {plan.album: folder for folder, plan in plans.items()}
    if len(albums) > 1:
        told = ", ".join(f"{folder} {plans[folder].photos} photos" for folder in albums.values())
        lines.append(f"the parts saw different albums ({told}): run each shard again")
    lines += _absent({plan.shard for plan in plans.values()})
    for folder, plan in plans.items():
        undone = [photo for photo in plan.places if photo not in records]
        if undone:
            names = ", ".join(undone[:_NAMED]) + (", ..." if len(undone) > _NAMED else "")
            lines.append(f"{len(undone)} photos of shard {plan.shard} ({folder}): {names}")
    return tuple(lines)


def _absent(given: set[Shard]) -> list[str]:
    """Shards of which there is no folder."""
    divisions = sorted({shard.of for shard in given})
    if len(divisions) > 1:
        return [f"the folders are shards of different divisions ({', '.join(map(str, divisions))})"]
    every = (Shard(number, divisions[0]) for number in range(1, divisions[0] + 1))
    absent = [str(shard) for shard in every if shard not in given]
    return [f"no folder of shard {', '.join(absent)}"] if absent else []
