"""What is written, opened by the tools' own libraries; each test says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made_labels as made
import numpy as np
import pytest

from persam.io.labels import LabelSet, read_label_set, write_label_set
from persam.io.labels.brush import decode_brush, encode_brush

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's packages
NAMES = ["cat", "my dog"]


@pytest.fixture
def labels(tmp_path: Path) -> LabelSet:
    return made.scene(tmp_path / "in", made.MODEL)


def areas(labels: LabelSet) -> dict[str, list[int]]:
    return {
        Path(one.name).name: [int(label.mask.sum()) for label in one.labels]
        for one in labels.pictures
    }


def test_pycocotools_draws_the_same_masks(labels: LabelSet, tmp_path: Path):
    coco = pytest.importorskip("pycocotools.coco")
    (file,) = write_label_set(labels, tmp_path / "out", "coco", error=0).files
    data = coco.COCO(file)
    assert {one["id"]: one["name"] for one in data.loadCats(data.getCatIds())} == {
        7: "cat",
        3: "my dog",
    }
    for picture in labels.pictures:
        found = data.loadAnns(data.getAnnIds(imgIds=[picture.number]))
        assert len(found) == len(picture.labels)
        for one, label in zip(found, picture.labels, strict=True):
            assert np.array_equal(data.annToMask(one).astype(bool), label.mask)
            assert one["area"] == label.mask.sum()


def test_ultralytics_loads_the_data_set(labels: LabelSet, tmp_path: Path):
    pytest.importorskip("ultralytics")
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    write_label_set(labels, tmp_path / "out", "yolo")
    data = check_det_dataset(str(tmp_path / "out" / "data.yaml"))
    assert data["names"] == {0: "cat", 1: "my dog"}
    loaded = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False)
    found = {Path(one["im_file"]).name: one for one in loaded.labels}
    assert {name: one["cls"].ravel().tolist() for name, one in found.items()} == {
        "a.png": [0.0, 1.0],
        "c.png": [0.0],
        "d.png": [],
    }
    assert len(found["a.png"]["segments"]) == 2


def test_labelme_reads_the_shapes(labels: LabelSet, tmp_path: Path):
    files = pytest.importorskip("labelme._label_file")
    shape = pytest.importorskip("labelme.utils.shape")
    write_label_set(labels, tmp_path / "out", "labelme", error=0)
    for picture in labels.pictures:
        file = tmp_path / "out" / Path(picture.name).with_suffix(".json")
        read = files.read_label_file(str(file))
        numbers = {"cat": 1, "my dog": 2}
        drawn, _ = shape.shapes_to_label(picture.size, read.shapes, numbers)
        for label in picture.labels:
            # LabelMe's own painter adds the outline, one pixel to the right and below.
            mask = drawn == numbers[label.name]
            assert not (label.mask & ~mask).any()
            assert mask.sum() - label.mask.sum() <= 4 * (sum(picture.size))


def test_label_studio_accepts_tasks_and_interface(labels: LabelSet, tmp_path: Path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    write_label_set(labels, tmp_path / "out", "label-studio")
    config = interface.LabelInterface((tmp_path / "out" / "label_config.xml").read_text())
    config.validate()
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    for task in tasks:
        for prediction in task.get("predictions", []):
            assert config.validate_prediction(prediction, return_errors=True) == []
            assert prediction["score"] == 0.75
        for annotation in task.get("annotations", []):
            assert config.validate_annotation(annotation)
    people = made.scene(tmp_path / "in")
    write_label_set(people, tmp_path / "people", "label-studio")
    for task in json.loads((tmp_path / "people" / "tasks.json").read_text()):
        assert config.validate_annotation(task["annotations"][0])


def test_label_studio_packs_brushes_alike():
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    mask = made.scene_masks()[0]
    theirs = np.repeat(mask[..., None].astype(np.uint8) * 255, 4, axis=2)
    assert np.array_equal(decode_brush(brush.encode_rle(theirs.ravel()), mask.shape), mask)
    unpacked = brush.decode_rle(encode_brush(mask)).reshape(*mask.shape, 4)
    assert np.array_equal(unpacked[..., 3] > 0, mask)


def test_cvats_sdk_reads_the_same_run_lengths(labels: LabelSet, tmp_path: Path):
    masks = pytest.importorskip("cvat_sdk.masks")
    from xml.etree import ElementTree as ET

    write_label_set(labels, tmp_path / "out", "cvat")
    root = ET.parse(tmp_path / "out" / "annotations.xml")  # noqa: S314
    for image, picture in zip(root.iter("image"), labels.pictures, strict=True):
        for shape, label in zip(image.iter("mask"), picture.labels, strict=True):
            left, top, width, height = (
                int(shape.get(k)) for k in ("left", "top", "width", "height")
            )
            runs = [int(one) for one in shape.get("rle").split(",")]
            encoded = [*runs, left, top, left + width - 1, top + height - 1]
            size = {"image_width": picture.size[1], "image_height": picture.size[0]}
            assert np.array_equal(masks.decode_mask(encoded, **size), label.mask)
            assert encoded == masks.encode_mask(label.mask)


@pytest.mark.parametrize(
    ("name", "theirs"), [("cvat", "cvat"), ("coco", "coco_instances"), ("voc", "voc_segmentation")]
)
def test_datumaro_which_cvat_imports_with(name: str, theirs: str, labels: LabelSet, tmp_path: Path):
    datumaro = pytest.importorskip("datumaro")
    write_label_set(labels, tmp_path / "out", name, error=0)
    data = datumaro.Dataset.import_from(str(tmp_path / "out"), theirs)
    classes = [one.name for one in data.categories()[datumaro.AnnotationType.label]]
    assert sorted(set(classes) - {"background"}) == NAMES
    kinds = (datumaro.AnnotationType.mask, datumaro.AnnotationType.polygon)
    found: dict[str, Any] = {
        Path(one.id).name: sorted({classes[a.label] for a in one.annotations if a.type in kinds})
        for one in data
    }
    assert found == {"a": NAMES, "c": ["cat"], "d": []}


def test_what_a_tool_wrote_comes_in(tmp_path: Path):
    """Datumaro's own COCO has the same masks, but for holes, which its polygons fill."""
    datumaro = pytest.importorskip("datumaro")
    labels = made.scene(tmp_path / "in")
    write_label_set(labels, tmp_path / "out", "coco", error=0)
    data = datumaro.Dataset.import_from(str(tmp_path / "out"), "coco_instances")
    data.export(str(tmp_path / "again"), "coco_instances", save_media=True)
    found = read_label_set(tmp_path / "again")
    assert found.problems == ()
    ring, *others = areas(labels)["a.png"]
    assert areas(found)["a.png"][1:] == others
    assert areas(found)["a.png"][0] > ring
    assert areas(found)["c.png"] == areas(labels)["c.png"]
