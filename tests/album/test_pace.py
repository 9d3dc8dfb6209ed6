"""What one album finds out of this machine, the next one starts with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_many import Counting

from persam.album.batch_size import SIZES, BatchSize
from persam.album.loop import LoaderOptions, process_photos
from persam.album.pace import Pace, pace_file, pace_name, remember, remembered
from persam.album.targets import AlbumTarget
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.samples import PICTURES, files


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSAM_CACHE", str(tmp_path / "machine"))


@pytest.fixture(scope="module")
def target(tiny_sam_folder: Path) -> AlbumTarget:
    photo, mask = files(PICTURES, 0)
    image = read_image(photo)
    backbone: Any = Counting(load(tiny_sam_folder, device="cpu"))
    return AlbumTarget.of(personalize(backbone, image, mask=read_mask(mask, image.shape[:2]) > 0))


def run(target: AlbumTarget, count: int) -> tuple[BatchSize, int]:
    """Look at so many photos; the batch size afterwards, and how many threads there were."""
    size, photos = BatchSize(), [files(PICTURES, n % 3)[0] for n in range(count)]
    loader = LoaderOptions(batch=size)
    with loader.threads() as threads:
        results = process_photos(photos, target, loader, threads)
        for _ in photos:  # as callers do that know how many there are
            next(results)
        del results
        return size, threads.jobs


def test_an_album_leaves_what_it_found_out_to_the_next(target: AlbumTarget) -> None:
    size, jobs = run(target, 1 + 2 * sum(SIZES))
    assert list(remembered().values()) == [Pace(size.now, jobs)]


def test_an_album_starts_with_what_an_earlier_one_found_out(target: AlbumTarget) -> None:
    name = pace_name(target.backbone, pictures=False, cached=False)
    remember(name, Pace(batch=4, jobs=1))
    size, jobs = run(target, 2)
    assert (size.now, jobs) == (4, 1)
    assert size.found is None
    assert remembered() == {name: Pace(4, 1)}


def test_an_album_that_found_nothing_out_leaves_nothing(target: AlbumTarget) -> None:
    run(target, 2)
    assert not pace_file().exists()


def test_names_tell_apart_what_decides(target: AlbumTarget) -> None:
    ways = [(pictures, cached) for pictures in (False, True) for cached in (False, True)]
    assert len({pace_name(target.backbone, pictures=p, cached=c) for p, c in ways}) == len(ways)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', '{"a": {"batch": 0, "jobs": 1}}', "[]"])
def test_a_damaged_file_knows_nothing_and_is_made_anew(text: str) -> None:
    pace_file().parent.mkdir(parents=True)
    pace_file().write_text(text)
    assert remembered() == {}
    remember("other", Pace(2, 0))
    assert remembered() == {"other": Pace(2, 0)}


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "machine").write_text("a file where the folder would be")
    remember("any", Pace(1, 1))
    assert remembered() == {}
