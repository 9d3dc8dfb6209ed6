"""Six ways to change a mask or a label by hand, six ways to run again: nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from persam.album.labels import LabelOptions, WrittenLabels, labels_of_records, write_run_labels
from persam.album.run import Output, Summary, segment_album
from persam.concept import Concept
from persam.io.labels import LabelSet
from persam.methods.persam import personalize

NOBODY = LabelSet((), ())
FORMATS = ("coco", "labelme", "yolo")
SIZE = (24, 32)


@dataclass(frozen=True)
class Place:
    """A folder with an album, its results, and what can be looked for."""

    folder: Path
    first: Concept
    second: Concept

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def photos(self) -> list[Path]:
        return sorted((self.folder / "album").glob("*.png"))


def run(
    place: Place, target: Any, photos: list[Path] | None = None, **options: Any
) -> tuple[Summary, list[WrittenLabels]]:
    summary = segment_album(target, photos or place.photos(), Output(place.out, **options))
    labels = labels_of_records(summary.records, place.out, NOBODY, name="a")
    return summary, write_run_labels(labels, place.out, LabelOptions(FORMATS, pictures="none"))


@pytest.fixture(scope="module")
def prepared(tiny: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Four photos, of which a run has found the object in three."""
    folder = tmp_path_factory.mktemp("prepared")
    random = np.random.default_rng(0)
    (folder / "album").mkdir()
    for number in range(4):
        noise = random.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "album" / f"{number}.png")
    mask = np.zeros(SIZE, dtype=bool)
    mask[4:15, 5:20] = True
    first = personalize(tiny("sam"), random.integers(0, 255, (*SIZE, 3), np.uint8), mask=mask)
    (view,) = first.references
    other = replace(view, target_embedding=view.target_embedding * -3)
    place = Place(folder, first, replace(first, references=(other,)))
    run(place, place.first, place.photos()[:3])
    return place


def _draw(path: Path, value: int, mode: str) -> None:
    pixels = np.zeros(SIZE, dtype=np.uint8)
    pixels[3:9, 10:20] = value
    Image.fromarray(pixels).convert(mode).save(path)


def _drop_annotation(path: Path) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"annotations": data["annotations"][1:]}))


def _move_shape(path: Path) -> None:
    data = json.loads(path.read_text())
    data["shapes"][0]["points"] = [[1, 2], [20, 2], [20, 20]]
    path.write_text(json.dumps(data))


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "mask painted over": ("0.png", lambda path: _draw(path, 255, "L")),
    "mask saved by another program": ("1.png", lambda path: _draw(path, 255, "RGB")),
    "mask emptied": ("2.png", lambda path: _draw(path, 0, "L")),
    "mask put beside": ("3.png", lambda path: _draw(path, 255, "L")),
    "annotation deleted": ("labels/coco/annotations/instances_default.json", _drop_annotation),
    "shape moved": ("labels/labelme/0.json", _move_shape),
}


def _same(place: Place) -> Place:
    summary, written = run(place, place.first)
    assert len(summary.by_hand) == 4
    assert [len(one.kept) for one in written] == [1, 1, 0]
    return place


def _other_concept(place: Place) -> Place:
    run(place, place.second)
    return place


def _overwrite(place: Place) -> Place:
    run(place, place.second, overwrite=True)
    return place


def _several_objects(place: Place) -> Place:
    save = frozenset({"overlays", "sheet"})
    run(place, {"a": place.first, "b": place.second}, save=save)
    return place


def _moved(place: Place) -> Place:
    place.folder.rename(place.folder.with_name("elsewhere"))
    return _same(replace(place, folder=place.folder.with_name("elsewhere")))


def _stopped(place: Place) -> Place:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_album(place.second, place.photos(), place.out, stop)
    return _same(place)


RUNS = {
    "same": _same,
    "another concept": _other_concept,
    "overwrite": _overwrite,
    "several objects": _several_objects,
    "moved": _moved,
    "stopped": _stopped,
}


@pytest.fixture(scope="module", params=RUNS)
def after(
    request: pytest.FixtureRequest, prepared: Place, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], Path]:
    """What was made by hand, all ways at once, and where it is after another run."""
    place = replace(prepared, folder=tmp_path_factory.mktemp("again") / "place")
    shutil.copytree(prepared.folder, place.folder)
    for name, change in CHANGES.values():
        change(place.out / name)
    made = {name: (place.out / name).read_bytes() for name, _ in CHANGES.values()}
    return made, RUNS[request.param](place).out


@pytest.mark.parametrize("change", CHANGES)
def test_hand_work_is_never_lost(change: str, after: tuple[dict[str, bytes], Path]):
    made, out = after
    name, _ = CHANGES[change]
    assert (out / name).read_bytes() == made[name]
