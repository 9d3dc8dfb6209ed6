"""Every format gives back what it was given: masks to the pixel, or within the stated error."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import made_labels as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from persam.io.labels import (
    FORMATS,
    Label,
    LabelledPicture,
    LabelSet,
    read_label_set,
    write_label_set,
)

# Formats whose masks are pixels; the others have polygons, within an error that 0 takes away.
LOSSLESS = ("cvat", "label-studio", "voc", "supervisely")
QUICK = settings(max_examples=12, deadline=None)


def trip(labels: LabelSet, name: str, folder: Path, error: float = 1.0) -> LabelSet:
    images = sorted({one.path.parent for one in labels.pictures if one.path is not None})
    root = images[0] if images else folder
    write_label_set(labels, folder / "out", name, error=error)
    found = read_label_set(folder / "out", [root])
    assert found.problems == ()
    return found


@pytest.mark.parametrize("name", FORMATS)
@QUICK
@given(mask=made.masks())
def test_a_mask_comes_back_to_the_pixel(name: str, mask: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        labels = made.one_mask(Path(folder) / "in", mask)
        found = trip(labels, name, Path(folder), error=1.0 if name in LOSSLESS else 0.0)
        (label,) = found.pictures[0].labels
        assert np.array_equal(label.mask, mask)
        assert label.name == "cat"


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in LOSSLESS])
@QUICK
@given(mask=made.masks(), error=st.sampled_from([0.5, 1.0, 2.0]))
def test_polygons_stay_within_the_stated_error(name: str, mask: np.ndarray, error: float):
    with tempfile.TemporaryDirectory() as folder:
        labels = made.one_mask(Path(folder) / "in", mask)
        found = trip(labels, name, Path(folder), error=error)
        changed = found.pictures[0].labels[0].mask ^ mask
        padded = np.pad(mask, 1)
        inside, outside = (ndimage.distance_transform_edt(a) for a in (padded, ~padded))
        to_outline = (inside + outside)[1:-1, 1:-1] - 0.5  # of pixel centres
        assert to_outline[changed].max(initial=0) <= error


@pytest.mark.parametrize("name", FORMATS)
def test_pieces_holes_names_ids_and_colours_come_back(name: str, tmp_path: Path):
    labels = made.scene(tmp_path / "in")
    found = trip(labels, name, tmp_path, error=0)
    assert [(one.number, one.name) for one in found.classes] == [(7, "cat"), (3, "my dog")]
    assert [one.colour for one in found.classes] == ["#ff0000", "#00ff40"]
    by_name = {Path(one.name).name.split("__")[-1]: one for one in found.pictures}
    assert set(by_name) == {"a.png", "c.png", "d.png"}
    for picture in labels.pictures:
        again = by_name[Path(picture.name).name]
        assert again.size == picture.size
        assert again.path is not None
        assert again.path.read_bytes() == picture.path.read_bytes()
        pairs = zip(picture.labels, again.labels, strict=True)
        assert all(np.array_equal(one.mask, other.mask) for one, other in pairs)


@pytest.mark.parametrize("name", FORMATS)
def test_whose_label_it_is_is_known_until_a_person_changes_it(name: str, tmp_path: Path):
    """A mask that changed since is that person's, whatever stands beside it."""
    labels = made.scene(tmp_path / "in", made.MODEL)
    found = trip(labels, name, tmp_path)
    origins = [label.origin for one in found.pictures for label in one.labels]
    assert {one.by for one in origins} == {"model"}
    if name != "label-studio":  # which has a place for the score alone
        assert set(origins) == {made.MODEL}
    assert {one.score for one in origins} == {0.9}
    again = trip(found, name, tmp_path / "again")
    assert {label.origin.by for one in again.pictures for label in one.labels} == {"model"}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("yolo", "voc")])
def test_boxes_and_groups_come_back(name: str, tmp_path: Path):
    size = (40, 60)
    box = Label.of_box("cat", (3, 4, 20, 31), size)
    path = made.picture_file(tmp_path / "in", "a.png", size)
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, (box,), path),))
    (label,) = trip(labels, name, tmp_path).pictures[0].labels
    assert label.box == pytest.approx(box.box)


@pytest.mark.parametrize("name", ["labelme", "cvat", "label-studio", "supervisely"])
def test_points_come_back(name: str, tmp_path: Path):
    size = (40, 60)
    points = Label("cat", size, points=((3.0, 4.5), (20.0, 30.0)))
    path = made.picture_file(tmp_path / "in", "a.png", size)
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, (points,), path),))
    found = trip(labels, name, tmp_path).pictures[0].labels
    assert [p for label in found for p in label.points] == [
        pytest.approx(point) for point in points.points
    ]


@pytest.mark.parametrize("name", ["coco", "labelme", "cvat", "label-studio", "supervisely", "yolo"])
def test_polygons_of_people_keep_their_vertices(name: str, tmp_path: Path):
    size = (40, 60)
    ring = np.array([[3.25, 4.5], [40.5, 6.0], [50.0, 33.75], [10.0, 30.0]])
    path = made.picture_file(tmp_path / "in", "a.png", size)
    label = Label.of_polygons("cat", [ring], size)
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, (label,), path),))
    (found,) = trip(labels, name, tmp_path).pictures[0].labels
    assert np.abs(found.polygons[0] - ring).max() < 0.01
    assert found.digest == label.digest


def test_what_a_format_cannot_say_is_said(tmp_path: Path):
    size = (40, 60)
    marks = (
        Label.of_mask("cat", made.disc(size, 20, 20, 9)),
        Label.of_box("cat", (3, 4, 20, 31), size),
        Label("my dog", size, points=((3.0, 4.0),)),
    )
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, marks),))
    lost = {name: len(write_label_set(labels, tmp_path / name, name).losses) for name in FORMATS}
    assert lost == {
        "coco": 1,
        "yolo": 2,
        "labelme": 0,
        "cvat": 0,
        "label-studio": 0,
        "voc": 1,
        "supervisely": 0,
    }


def test_yolo_boxes_come_back(tmp_path: Path):
    size = (40, 60)
    box = Label.of_box("cat", (3, 4, 20, 31), size)
    path = made.picture_file(tmp_path / "in", "a.png", size)
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, (box,), path),))
    (label,) = trip(labels, "yolo", tmp_path).pictures[0].labels
    assert label.box == pytest.approx(box.box, abs=1e-3)


def test_a_hidden_object_of_a_label_map_is_named(tmp_path: Path):
    size = (40, 60)
    small, large = made.disc(size, 20, 20, 5), made.disc(size, 20, 20, 12)
    marks = tuple(Label.of_mask("cat", mask) for mask in (small, large))
    labels = LabelSet(made.CLASSES, (LabelledPicture("a.png", size, marks),))
    assert write_label_set(labels, tmp_path / "out", "voc").losses == (
        "a.png: another object covers some of a 'cat'",
    )
    found = read_label_set(tmp_path / "out")
    assert [int(one.mask.sum()) for one in found.pictures[0].labels] == [
        small.sum(),
        (large & ~small).sum(),
    ]


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_from_any_format_to_any_other(first: str, second: str, tmp_path: Path):
    labels = made.scene(tmp_path / "in")
    flat = replace(labels, pictures=labels.pictures[:1])
    there = trip(flat, first, tmp_path / "there", error=0)
    back = trip(there, second, tmp_path / "back", error=0)
    assert [one.name for one in back.classes] == ["cat", "my dog"]
    assert [one.number for one in back.classes] == [7, 3]
    for one, other in zip(flat.pictures[0].labels, back.pictures[0].labels, strict=True):
        assert np.array_equal(one.mask, other.mask)
