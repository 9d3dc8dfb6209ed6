"""Albums of several objects or instances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from drawn_many import Counting, sample, two_dogs
from PIL import Image

from persam.album.manifest import FoundObject, Manifest, Record, Stamp
from persam.album.run import Output, segment_album
from persam.album.targets import AlbumTarget
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.models.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from persam.concept import Concept


@pytest.fixture(scope="module")
def concepts() -> dict[str, Concept]:
    pocket = Counting(load("pocket", device="cpu"))
    image, mask = sample(0)
    dog = personalize(pocket, image, mask=mask)
    return {"dog": dog, "bear": personalize(pocket, sample(4)[0], box=(20, 150, 200, 400))}


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    pictures = {"both": sample(4)[0], "none": np.full((60, 80, 3), 90, dtype=np.uint8)}
    pictures["twice"] = two_dogs()[0]
    paths = [tmp_path / f"{name}.png" for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        Image.fromarray(picture).save(path)
    return paths


def _instances(concept: Concept | dict[str, Concept]) -> AlbumTarget:
    return AlbumTarget.of(concept, instances=True)


def _lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def _labels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.array(image)


def test_several_objects_share_a_mask_and_have_a_line_each(
    concepts: dict[str, Concept], photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    backbone = concepts["dog"].backbone
    assert isinstance(backbone, Counting)
    before = backbone.encoded
    summary = segment_album(concepts, photos[:2], out)
    assert backbone.encoded == before + 2
    assert (summary.written, len(summary.records)) == (2, 2)
    lines = _lines(out)
    assert [(line["label"], line["object"]) for line in lines] == [(1, "dog"), (2, "bear")] * 2
    labels = _labels(out / "both.png")
    for line in lines[:2]:
        rows, columns = np.nonzero(labels == line["label"])
        box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        assert line["box"] == box
    assert not _labels(out / "none.png").any()
    assert [line["box"] for line in lines[2:]] == [None, None]


def test_instances_have_a_line_each_and_none_has_one(
    concepts: dict[str, Concept], photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summary = segment_album(_instances(concepts["dog"]), photos[1:], out)
    none, *lines = _lines(out)
    assert (none["label"], none["box"], none["score"]) == (None, None, 0.0)
    assert [line["label"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) >= 2
    assert _labels(out / "twice.png").max() == len(lines)
    assert summary.records[0].found == ()
    assert 0 < none["presence"] < concepts["dog"].variant.min_presence
    named = segment_album(_instances({"rex": concepts["dog"]}), photos[1:], out)
    assert {one.object for one in named.records[1].found or ()} == {"rex"}
    assert named.records[1].found is not None


def test_a_second_run_knows_what_is_done(
    concepts: dict[str, Concept], photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = segment_album(concepts, photos[:2], out)
    again = segment_album(concepts, photos[:2], out)
    assert (again.skipped, again.records) == (2, first.records)
    turned = {name: concepts[name] for name in ("bear", "dog")}
    assert segment_album(turned, photos[:2], out).written == 2
    assert segment_album(concepts["dog"], photos[:2], out).written == 2
    assert segment_album(_instances(concepts["dog"]), photos[:2], out).written == 2


def test_a_run_killed_between_the_lines_of_a_photo_looks_again(
    concepts: dict[str, Concept], photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = segment_album(concepts, photos[:2], out)
    whole = first.manifest.read_text()
    for cut in (len(whole) - 20, whole.rstrip().rfind("\n") + 1):  # in the last line, before it
        first.manifest.write_text(whole[:cut])
        again = segment_album(concepts, photos[:2], out)
        assert (again.skipped, again.written) == (1, 1)
        assert [len(record.found or ()) for record in again.records] == [2, 2]
    assert segment_album(concepts, photos[:2], out).skipped == 2


def test_extras_show_all_objects(
    concepts: dict[str, Concept], photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment_album(concepts, photos[:1], out)
    save = frozenset({"cutouts", "overlays", "sheet"})
    assert segment_album(concepts, photos[:1], Output(out, save)).skipped == 1
    page = (out / "sheet.html").read_text()
    assert "dog: score" in page
    assert "bear: score" in page


def test_instances_are_of_one_object(concepts: dict[str, Concept], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got 2 named objects"):
        AlbumTarget.of(concepts, instances=True)


def test_lines_of_another_run_do_not_add_up(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for settings, names in (("old", ("dog", "mug")), ("new", ("cat", "mug", "bear"))):
        found = tuple(FoundObject(number, name) for number, name in enumerate(names, start=1))
        stamp = Stamp(settings, 1, 1)
        manifest.add(Record("/a", "a.png", 0.0, None, (), seconds=1.0, stamp=stamp, found=found))
    assert Manifest(tmp_path).records == manifest.records
    manifest.add(Record("/a", error="gone"))
    assert Manifest(tmp_path).records == manifest.records
