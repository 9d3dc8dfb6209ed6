"""What tools really write, beyond what comes back from our own writers."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import made_labels as made
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.labels import read_label_set, write_label_set
from persam.io.labels.label_studio_writer import regions_of
from persam.io.labels.structures import Label
from persam.methods.from_labels import labelled_objects

SIZE = (40, 60)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    made.picture_file(tmp_path / "photos", "dog.png", SIZE)
    return tmp_path / "photos"


def write(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def coco(annotation: dict[str, object], **image: object) -> dict[str, object]:
    picture = {"id": 1, "file_name": "dog.png", "height": 40, "width": 60} | image
    return {
        "images": [picture],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1} | annotation],
    }


def test_coco_crowds_and_run_lengths_as_a_list(photos: Path, tmp_path: Path):
    shape = {"size": [40, 60], "counts": [40 * 10, 40 * 5, 40 * 45]}
    file = write(tmp_path / "coco.json", coco({"segmentation": shape, "iscrowd": 1}))
    found = read_label_set(file, [photos])
    (label,) = found.pictures[0].labels
    assert label.crowd
    assert label.mask[:, 10:15].all()
    assert label.mask.sum() == 200
    assert found.of_class("dog") == []  # a crowd is no single object


def test_coco_boxes_alone(photos: Path, tmp_path: Path):
    file = write(tmp_path / "coco.json", coco({"bbox": [5, 6, 10, 20], "segmentation": []}))
    (label,) = read_label_set(file, [photos]).pictures[0].labels
    assert label.box == (5, 6, 15, 26)


def test_a_picture_that_is_another_than_the_labelled_one(photos: Path, tmp_path: Path):
    file = write(tmp_path / "coco.json", coco({"bbox": [5, 6, 10, 20]}, height=99))
    found = read_label_set(file, [photos])
    assert found.pictures == ()
    assert "60x99 pixels, but" in found.problems[0]


def test_labels_of_the_stored_pixels_are_turned_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "photos" / "dog.png", exif=exif)
    box = [[0, 0, 10, 0, 10, 5, 0, 5]]  # at the top left of the stored pixels
    file = write(tmp_path / "coco.json", coco({"segmentation": box}))
    picture = read_label_set(file, [tmp_path / "photos"]).pictures[0]
    assert picture.size == (60, 40)
    assert picture.labels[0].bounds == (35, 0, 40, 10)  # at the top right, upright


def test_yolo_as_ultralytics_lays_it_out(tmp_path: Path):
    root = tmp_path / "set"
    for split in ("train", "val"):
        made.picture_file(root / "images" / split, f"{split}.jpg", SIZE)
        write(root / "labels" / split / f"{split}.txt", "1 0.5 0.5 0.5 0.5\n0 0 0 .5 0 .5 1 0 1\n")
    names = "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"
    file = write(root / "data.yaml", names)
    found = read_label_set(file)
    assert [(one.number, one.name) for one in found.classes] == [(0, "cat"), (1, "dog")]
    assert [one.name for one in found.pictures] == ["train/train.jpg", "val/val.jpg"]
    box, outline = found.pictures[0].labels
    assert (box.name, box.box) == ("dog", (15, 10, 45, 30))
    assert outline.mask[:, :30].all()
    assert outline.mask.sum() == 40 * 30


def test_yolo_labels_whose_picture_is_missing(tmp_path: Path):
    write(tmp_path / "set" / "labels" / "gone.txt", "0 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "set" / "data.yaml", "names: {0: cat}\n")
    assert "no picture gone" in read_label_set(tmp_path / "set").problems[0]


def test_labelme_shapes(photos: Path, tmp_path: Path):
    shapes = [
        {
            "label": "dog",
            "shape_type": "polygon",
            "points": [[1, 1], [9, 1], [9, 9]],
            "group_id": 3,
        },
        {
            "label": "dog",
            "shape_type": "polygon",
            "points": [[20, 1], [30, 1], [30, 9]],
            "group_id": 3,
        },
        {"label": "cat", "shape_type": "rectangle", "points": [[50, 30], [40, 20]]},
        {"label": "cat", "shape_type": "circle", "points": [[30, 20], [30, 25]]},
        {"label": "cat", "shape_type": "point", "points": [[3, 4]]},
        {"label": "cat", "shape_type": "line", "points": [[3, 4], [5, 6]]},
    ]
    data = {
        "imagePath": "..\\photos\\dog.png",
        "imageHeight": 40,
        "imageWidth": 60,
        "shapes": shapes,
    }
    file = write(tmp_path / "json" / "dog.json", data)
    found = read_label_set(file, [photos])
    dog, box, circle, point = found.pictures[0].labels
    assert len(dog.polygons) == 2
    assert box.box == (40, 20, 50, 30)
    assert circle.mask.sum() == pytest.approx(np.pi * 25, rel=0.05)
    assert point.points == ((3.0, 4.0),)
    assert found.problems == (f"{file}: shape 5: a line of 2 points marks no object",)


@pytest.mark.parametrize(
    "address",
    [
        "/data/local-files/?d=photos/dog.png",
        "/data/upload/3/5f1e2d3c-dog.png",
        "s3://pets/photos/dog.png",
        "https://example.org/photos/dog.png?token=1",
        "dog.png",
    ],
)
def test_label_studio_names_pictures_in_many_ways(address: str, photos: Path, tmp_path: Path):
    label = Label.of_mask("dog", made.disc(SIZE, 20, 20, 8))
    task = {
        "id": 4,
        "data": {"note": "mine", "picture": address},
        "annotations": [
            {"result": [], "was_cancelled": True},
            {"result": regions_of(label, "a"), "updated_at": "2026"},
            {"result": [], "updated_at": "2025"},
        ],
    }
    (picture,) = read_label_set(write(tmp_path / "tasks.json", [task]), [photos]).pictures
    assert picture.name == "dog.png"
    assert picture.labels[0].origin.by == "person"
    assert np.array_equal(picture.labels[0].mask, label.mask)


def test_label_studio_labels_apart_from_their_shapes(photos: Path, tmp_path: Path):
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0}
    common = {"id": "r", "original_height": 40, "original_width": 60}
    result = [
        common | {"type": "rectangle", "value": value},
        common | {"type": "labels", "value": value | {"labels": ["dog"]}},
    ]
    tasks = [{"data": {"image": "dog.png"}, "predictions": [{"result": result, "score": 0.4}]}]
    labels = read_label_set(write(tmp_path / "tasks.json", tasks), [photos]).pictures[0].labels
    assert {one.box for one in labels} == {(6.0, 4.0, 36.0, 24.0)}
    assert {(one.name, one.origin.by) for one in labels} == {("dog", "model")}


def test_cvat_shapes_groups_and_tracks(photos: Path, tmp_path: Path):
    file = write(
        tmp_path / "annotations.xml",
        """<?xml version="1.0"?><annotations><meta><job><labels>
        <label><name>dog</name><color>#112233</color></label></labels></job></meta>
        <image id="4" name="dog.png" width="60" height="40">
        <polygon label="dog" group_id="2" points="1.00,1.00;9.00,1.00;9.00,9.00"/>
        <polygon label="dog" group_id="2" points="20.00,1.00;30.00,1.00;30.00,9.00"/>
        <polygon label="dog" group_id="0" points="20.00,21.00;30.00,21.00;30.00,29.00"/>
        <ellipse label="dog" cx="30" cy="20" rx="10" ry="5"/>
        <polyline label="dog" points="1,2;3,4"/>
        <mask label="dog" rle="1, 2, 1" left="5" top="6" width="2" height="2">
        <attribute name="pose">lying</attribute></mask></image>
        <track id="0" label="dog"></track></annotations>""",
    )
    found = read_label_set(file, [photos])
    grouped, alone, ellipse, mask = found.pictures[0].labels
    assert len(grouped.polygons) == 2
    assert alone.group is None
    assert ellipse.mask.sum() == pytest.approx(np.pi * 50, rel=0.05)
    assert np.argwhere(mask.mask).tolist() == [[6, 6], [7, 5]]
    assert mask.attributes == {"pose": "lying"}
    assert found.classes[0].colour == "#112233"
    assert len(found.problems) == 2  # the line, and the track


def test_voc_palettes_void_and_names(tmp_path: Path):
    folder = tmp_path / "voc" / "SegmentationClass"
    folder.mkdir(parents=True)
    numbers = np.zeros(SIZE, np.uint8)
    numbers[5:20, 5:20], numbers[4, :] = 12, 255
    image = Image.fromarray(numbers)
    image.putpalette(bytes(range(256)) * 3)
    image.save(folder / "dog.png")
    found = read_label_set(tmp_path / "voc")
    assert [(one.number, one.name) for one in found.classes] == [(12, "12")]
    assert found.pictures[0].labels[0].mask.sum() == 15 * 15


def test_davis_folders_of_several_clips(tmp_path: Path):
    for clip in ("bear", "camel"):
        folder = tmp_path / "Annotations" / clip
        folder.mkdir(parents=True)
        Image.fromarray(np.eye(8, dtype=np.uint8)).convert("P").save(folder / "00000.png")
        made.picture_file(tmp_path / "JPEGImages" / clip, "00000.jpg", (8, 8))
    found = read_label_set(tmp_path / "Annotations", [tmp_path / "JPEGImages"])
    assert [one.name for one in found.pictures] == ["bear/00000.jpg", "camel/00000.jpg"]
    assert [one.path.parent.name for one in found.pictures] == ["bear", "camel"]


def test_a_mask_that_was_painted_over_is_a_persons(tmp_path: Path):
    write_label_set(made.scene(tmp_path / "in", made.MODEL), tmp_path / "out", "voc")
    file = tmp_path / "out" / "SegmentationObject" / "b" / "c.png"
    for kind in ("SegmentationObject", "SegmentationClass"):
        file = tmp_path / "out" / kind / "b" / "c.png"
        image = Image.open(file)
        pixels = np.array(image)
        pixels[20:26, 30:50] = 1
        painted = Image.fromarray(pixels)
        painted.putpalette(image.getpalette())
        painted.save(file)
    by = {
        one.name: {label.origin.by for label in one.labels}
        for one in read_label_set(tmp_path / "out").pictures
    }
    assert by == {"a.png": {"model"}, "b/c.png": {"person"}, "d.png": set()}


def test_names_cannot_lead_out_of_the_folder(tmp_path: Path):
    labels = made.scene(tmp_path / "in")
    from dataclasses import replace

    evil = replace(labels.pictures[0], name="../../evil.png")
    for name in ("yolo", "labelme", "voc", "supervisely"):
        folder = tmp_path / "deep" / "er" / name
        files = write_label_set(replace(labels, pictures=(evil,)), folder, name).files
        assert all(file.resolve().is_relative_to(folder.resolve()) for file in files)
    assert not list(tmp_path.glob("evil*"))


def test_two_pictures_of_one_name_are_told_apart_or_asked_about(tmp_path: Path):
    for folder in ("one", "two"):
        made.picture_file(tmp_path / "photos" / folder, "dog.png", SIZE)
    box = {"bbox": [5, 6, 10, 20]}
    clear = write(tmp_path / "clear.json", coco(box, file_name="two/dog.png"))
    found = read_label_set(clear, [tmp_path / "photos"])
    assert found.pictures[0].path == tmp_path / "photos" / "two" / "dog.png"
    vague = write(tmp_path / "vague.json", coco(box))
    assert "dog.png may be" in read_label_set(vague, [tmp_path / "photos"]).problems[0]


def test_a_format_needs_its_folders(tmp_path: Path):
    write(tmp_path / "a" / "data.yaml", "names: [cat]\n")
    with pytest.raises(InputError, match="has no label files"):
        read_label_set(tmp_path / "a")


def embedded(folder: Path, held: bytes) -> Path:
    """A LabelMe file that holds its picture, whose file is gone."""
    path = folder / "photo.json"
    ring = [[2, 3], [30, 3], [30, 20], [2, 20]]
    shapes = [{"label": "cat", "shape_type": "polygon", "points": ring}]
    data = base64.b64encode(held).decode()
    size = {"imageHeight": 40, "imageWidth": 60}
    path.write_text(
        json.dumps({"imagePath": "photo.png", "imageData": data, "shapes": shapes, **size})
    )
    return path


def test_a_picture_within_a_labelme_file_stands_for_its_file(tmp_path: Path):
    picture = made.picture_file(tmp_path / "in", "photo.png", (40, 60))
    held = picture.read_bytes()
    (tmp_path / "labels").mkdir()
    found = read_label_set(embedded(tmp_path / "labels", held))
    assert found.problems == ()
    assert (found.pictures[0].path, found.pictures[0].at_hand) == (None, True)
    (reference,) = labelled_objects(found)["cat"]
    assert read_image(reference.image).shape == (40, 60, 3)
    write_label_set(found, tmp_path / "out", "labelme")
    assert (tmp_path / "out" / "photo.png").read_bytes() == held
    write_label_set(found, tmp_path / "bare", "coco", pictures="none")
    assert not list((tmp_path / "bare").rglob("*.png"))
    picture.rename(tmp_path / "labels" / "photo.png")
    assert read_label_set(tmp_path / "labels").pictures[0].data is None


@pytest.mark.parametrize(
    ("held", "said"), [(b"damaged", "is not a picture"), (b"", "has 6x4 pixels")]
)
def test_a_bad_picture_within_a_labelme_file_is_named(held: bytes, said: str, tmp_path: Path):
    if not held:
        held = made.picture_file(tmp_path / "in", "other.png", (4, 6)).read_bytes()
    found = read_label_set(embedded(tmp_path, held))
    assert len(found.problems) == 1
    assert f"its imageData {said}" in found.problems[0]


def test_a_folder_of_photos_is_no_set_of_label_maps(tmp_path: Path):
    made.picture_file(tmp_path / "photos", "a.png", (4, 4))
    with pytest.raises(InputError, match="in no known label format"):
        read_label_set(tmp_path / "photos")


def test_a_run_with_labels_in_several_formats_asks_which(tmp_path: Path):
    for name in ("labelme", "label-studio"):
        write_label_set(made.scene(tmp_path / "in"), tmp_path / "run" / "labels" / name, name)
    for folder in (tmp_path / "run", tmp_path / "run" / "labels"):
        with pytest.raises(InputError, match=r"labels in labelme, label-studio\. Name one"):
            read_label_set(folder)
    shutil.rmtree(tmp_path / "run" / "labels" / "label-studio")
    assert len(read_label_set(tmp_path / "run").pictures) == 3
