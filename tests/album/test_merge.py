from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from persam.album.merge import merge_albums
from persam.album.run import LoaderOptions, Output, Summary, segment_album
from persam.album.shards import PLAN, Shard
from persam.concept import Concept
from persam.errors import InputError
from persam.io.cutouts import CutoutStyle
from persam.methods.persam import personalize
from persam.models.loading import load


@pytest.fixture(scope="module")
def concept(album: list[Path], tiny_sam_folder: Path) -> Concept:
    mask = Path(str(album[0]).replace("Images", "Annotations"))
    return personalize(load(tiny_sam_folder, device="cpu"), album[0], mask=mask)


def run(
    concept: Concept, album: list[Path], folder: Path, save: str = "cutouts", shard: str = ""
) -> Summary:
    part = Shard.parse(shard) if shard else None
    style, roots = CutoutStyle("hard"), (album[0].parents[1],)
    output = Output(folder, frozenset(save.split()), style=style, mirror=roots, shard=part)
    # One photo at a time: in batches of other sizes an encoder rounds otherwise.
    return segment_album(concept, album, output, loader=LoaderOptions(batch=1, jobs=0))


@pytest.fixture(scope="module")
def shards(
    concept: Concept, album: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The folders of three shards."""
    root, folders = tmp_path_factory.mktemp("runs"), []
    for number in (1, 2, 3):
        folders.append(root / f"part-{number}")
        run(concept, album, folders[-1], "cutouts sheet", f"{number}/3")
    return folders


@pytest.fixture
def parts(shards: list[Path], tmp_path: Path) -> list[Path]:
    """Copies of the shards' folders, for whoever changes them."""
    return [Path(shutil.copytree(part, tmp_path / part.name)) for part in shards]


def lines(folder: Path) -> list[dict[str, object]]:
    text = (folder / "manifest.jsonl").read_text()
    return [json.loads(line) | {"seconds": 0} for line in text.splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    every = (path for path in folder.rglob("*") if path.is_file())
    pictures = (path for path in every if path.suffix == ".png")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in pictures}


def test_the_parts_together_are_as_one_run(
    concept: Concept, album: list[Path], parts: list[Path], tmp_path: Path
) -> None:
    into = tmp_path / "all"
    run(concept, album, tmp_path / "whole")
    merged = merge_albums(parts[::-1], into)
    assert (merged.gaps, merged.duplicates) == ((), ())
    assert [Path(record.input) for record in merged.failed] == [album[-1]]
    assert files(into) == files(tmp_path / "whole")
    assert len(files(into)) == 2 * (len(album) - 1)
    assert lines(into) == lines(tmp_path / "whole")
    # A run over the whole album finds all done.
    again = run(concept, album, into)
    assert (again.written, again.skipped) == (0, len(album) - 1)


def test_merging_again_copies_nothing_and_adds_what_came_since(
    parts: list[Path], tmp_path: Path
) -> None:
    into = tmp_path / "all"
    first = merge_albums(parts[:2], into)
    assert first.gaps == ("no folder of shard 3/3",)
    then = merge_albums(parts, into)
    assert then.gaps == ()
    assert then.copied == len(files(parts[2]))
    assert merge_albums(parts, into).copied == 0


def test_what_a_stopped_shard_left_undone_is_named(parts: list[Path], tmp_path: Path) -> None:
    manifest = parts[0] / "manifest.jsonl"
    kept, *undone = manifest.read_text().splitlines()
    manifest.write_text(kept + "\n")
    (gap,) = merge_albums(parts, tmp_path / "all").gaps
    assert gap.startswith(f"{len(undone)} photos of shard 1/3")
    assert json.loads(undone[0])["input"] in gap


def test_photos_in_two_folders_are_named_where_they_agree(
    parts: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(parts[0], tmp_path / "copy"))
    merged = merge_albums([*parts, copy], tmp_path / "all")
    assert set(merged.duplicates) == {line["input"] for line in lines(copy)}
    assert len(merged.records) == len(lines(tmp_path / "all"))


def test_photos_in_two_folders_are_refused_where_they_do_not(
    parts: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(parts[0], tmp_path / "copy"))
    text = re.sub('"score": [0-9.]+', '"score": 0.5', (copy / "manifest.jsonl").read_text())
    (copy / "manifest.jsonl").write_text(text)
    with pytest.raises(InputError, match="has two different results"):
        merge_albums([*parts, copy], tmp_path / "all")


def test_a_mask_changed_by_hand_stays_a_mask_changed_by_hand(
    concept: Concept, album: list[Path], parts: list[Path], tmp_path: Path
) -> None:
    into = tmp_path / "all"
    record = next(line for line in lines(parts[1]) if "output" in line)
    other = next(line for line in lines(parts[0]) if "output" in line)
    shutil.copyfile(parts[0] / str(other["output"]), parts[1] / str(record["output"]))
    merge_albums(parts, into)
    again = run(concept, album, into)
    assert [one.input for one in again.by_hand] == [record["input"]]


def test_nothing_is_written_over(parts: list[Path], tmp_path: Path) -> None:
    into = tmp_path / "all"
    merge_albums(parts, into)
    mask = next(into.rglob("*.png"))
    mask.write_bytes(b"mine")
    with pytest.raises(InputError, match="would be written over"):
        merge_albums(parts, into)
    assert mask.read_bytes() == b"mine"


def test_parts_of_other_runs_and_other_folders_are_refused(
    parts: list[Path], tmp_path: Path
) -> None:
    into = tmp_path / "all"
    with pytest.raises(InputError, match="is one of the parts"):
        merge_albums(parts, parts[0])
    with pytest.raises(InputError, match="There is no folder"):
        merge_albums([*parts, tmp_path / "none"], into)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="has no manifest"):
        merge_albums([tmp_path / "other"], into)
    settings = json.loads((parts[0] / "manifest.jsonl").read_text().splitlines()[0])["stamp"]
    for name in ("manifest.jsonl",):
        path = parts[1] / name
        path.write_text(path.read_text().replace(settings["settings"], "0" * 16))
    with pytest.raises(InputError, match="looked for different objects"):
        merge_albums(parts, into)
    assert not into.exists()


def test_parts_of_different_divisions_and_albums_are_named(
    concept: Concept, album: list[Path], parts: list[Path], tmp_path: Path
) -> None:
    run(concept, album[1:], tmp_path / "one", shard="1/2")
    gaps = merge_albums([parts[0], tmp_path / "one"], tmp_path / "all").gaps
    assert "the parts saw different albums" in gaps[0]
    assert gaps[1] == "the folders are shards of different divisions (2, 3)"


def test_folders_of_plain_runs_merge_in_their_order(parts: list[Path], tmp_path: Path) -> None:
    for part in parts:
        (part / PLAN).unlink()
    merged = merge_albums(parts, tmp_path / "all")
    assert merged.gaps == ()
    assert [r.input for r in merged.records] == [one["input"] for p in parts for one in lines(p)]


def test_a_folder_is_of_one_shard(
    concept: Concept, album: list[Path], parts: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"the results of shard 1/3; got shard 2/3"):
        run(concept, album, parts[0], shard="2/3")
    assert len(merge_albums(parts, tmp_path / "all").records) == len(album)
