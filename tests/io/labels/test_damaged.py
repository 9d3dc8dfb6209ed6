"""Damaged label files: one clear line each, the rest is read, nothing else escapes."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from random import Random

import made_labels as made
import pytest

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.labels import FORMATS, read_label_set, write_label_set

EACH = 72  # times seven formats: five hundred files
_NASTY = ["-1", "1e999", "null", "true", '"x"', "[]", "{}", "999999999999", "NaN", "0", "\\u0000"]


def damaged(data: bytes, random: Random) -> bytes:
    """A file that was cut, overwritten, mixed up, or has other values in it."""
    place = random.randrange(len(data) or 1)
    kind = random.randrange(6)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes(random.randbytes(8)) + data[place + 8 :]
    if kind == 2:
        end = place + random.randrange(1, 40)
        return data[:place] + data[end:]
    if kind == 3:
        return data[:place] + data[: random.randrange(1, 60)] + data[place:]
    digits = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    at = random.choice(digits) if digits else 0
    value = random.choice(_NASTY).encode()
    return data[:at] + value + data[at + 1 :]


@pytest.mark.parametrize("name", FORMATS)
def test_five_hundred_damaged_files(name: str, tmp_path: Path):
    folder = tmp_path / "out"
    files = write_label_set(made.scene(tmp_path / "in", made.MODEL), folder, name, error=0).files
    whole = {file: file.read_bytes() for file in files}
    random = Random(name)  # noqa: S311
    lines = 0
    for number in range(EACH):
        file = files[number % len(files)]
        file.write_bytes(damaged(whole[file], random))
        try:
            found = read_label_set(folder)
        except InputError as error:
            said = [str(error)]
        else:
            said = list(found.problems)
            assert all(one.size[0] * one.size[1] <= 500_000_000 for one in found.pictures)
        assert all("\n" not in line and str(tmp_path) in line for line in said)
        lines += len(said)
        file.write_bytes(whole[file])
    assert lines > EACH / 4
    assert read_label_set(folder).problems == ()


@pytest.mark.parametrize("name", ["yolo", "labelme", "voc", "supervisely"])
def test_one_damaged_file_costs_no_other_picture(name: str, tmp_path: Path):
    folder = tmp_path / "out"
    files = write_label_set(made.scene(tmp_path / "in"), folder, name).files
    file = next(one for one in files if one.name.startswith("a."))
    file.write_bytes(b"\xff\xfe damaged")
    found = read_label_set(folder)
    assert len(found.problems) == 1
    assert str(file) in found.problems[0]
    whole = [one for one in found.pictures if not one.name.endswith("a.png")]
    assert [len(one.labels) for one in whole] == [1, 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"segmentation": [[1, 2, 3]]}, "has 3 numbers, but should have 3 x,y or more"),
        ({"segmentation": {"size": [40, 60], "counts": [1, 2]}}, "add up to 3 pixels"),
        ({"segmentation": {"size": [40, 60], "counts": "~~"}}, "are not COCO's compressed text"),
        ({"segmentation": {"size": [4, 6], "counts": "11"}}, "but the image is [40, 60]"),
        ({"segmentation": [[900, 900, 950, 900, 950, 950]]}, "encloses no pixel of the picture"),
        ({"segmentation": [[1e308, 1, -1e308, 3, 5, 5, "x", 2]]}, "should be a number"),
        ({"category_id": 99}, "there is no category 99"),
        ({"image_id": 99}, "there is no image 99"),
    ],
)
def test_a_bad_annotation_is_named_and_the_others_are_read(
    change: dict[str, object], said: str, tmp_path: Path
):
    folder = tmp_path / "out"
    (file,) = write_label_set(made.scene(tmp_path / "in"), folder, "coco").files
    data = json.loads(file.read_text())
    data["annotations"][0] |= change
    file.write_text(json.dumps(data))
    found = read_label_set(folder)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{file}: annotation 0: ")
    assert said in found.problems[0]
    assert sum(len(one.labels) for one in found.pictures) == 2


def test_polygons_far_outside_are_cut_off_at_the_border(tmp_path: Path):
    (file,) = write_label_set(made.scene(tmp_path / "in"), tmp_path / "out", "coco").files
    data = json.loads(file.read_text())
    data["annotations"][0]["segmentation"] = [[-1e9, -1e9, 30, -1e9, 30, 1e9, -1e9, 1e9]]
    file.write_text(json.dumps(data))
    mask = read_label_set(file).pictures[0].labels[0].mask
    assert mask[:, :30].all()
    assert not mask[:, 30:].any()


@pytest.mark.parametrize("text", ["<!DOCTYPE x [<!ENTITY a 'b'>]><annotations/>", "<x/>", "<a"])
def test_xml_that_attacks_or_is_no_labels(text: str, tmp_path: Path):
    file = tmp_path / "annotations.xml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"annotations\.xml"):
        read_label_set(file)


@pytest.mark.parametrize("content", ["", "[1", "[]x", '{"a": 1}', "[" * 100_000, "[1, 2]"])
def test_json_that_is_no_labels(content: str, tmp_path: Path):
    file = tmp_path / "labels.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"labels\.json"):
        read_label_set(file)


def test_a_folder_that_is_no_label_set_says_what_is_looked_for(tmp_path: Path):
    made.picture_file(tmp_path / "photos", "a.jpg", (4, 4))
    with pytest.raises(InputError, match=r"no known label format.*YOLO \(data\.yaml\)"):
        read_label_set(tmp_path / "photos")
    with pytest.raises(InputError, match="does not exist"):
        read_label_set(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no label format 'kitti'; there are coco, yolo"):
        read_label_set(tmp_path / "photos", name="kitti")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("name", FORMATS)
def test_no_program_is_started_for_a_picture_that_is_eps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a program is started")

    monkeypatch.setattr("subprocess.Popen", start)
    write_label_set(made.scene(tmp_path / "in"), tmp_path / "out", name)
    for picture in (tmp_path / "out").rglob("*.png"):
        if "Segmentation" not in str(picture):
            picture.write_bytes(EPS)
    with suppress(InputError):
        for picture in read_label_set(tmp_path / "out").pictures:
            with pytest.raises(InputError, match="not a picture"):
                read_image(picture.source)


def test_a_picture_within_labelme_that_is_eps(tmp_path: Path):
    shapes = [{"label": "cat", "shape_type": "point", "points": [[1, 1]]}]
    held = {"imageData": b64encode(EPS).decode(), "imageHeight": 6, "imageWidth": 8}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"imagePath": "a.jpg", "shapes": shapes, **held}))
    found = read_label_set(file)
    assert not found.pictures
    assert "its imageData is not a picture" in found.problems[0]


def test_classes_of_labelme_that_are_none(tmp_path: Path):
    folder = tmp_path / "out"
    files = write_label_set(made.scene(tmp_path / "in"), folder, "labelme").files
    file = next(one for one in files if one.name == "a.json")
    for strange in (1.5, None, [3], "x"):
        data = json.loads(file.read_text())
        data["persam"] = {"classes": strange}
        file.write_text(json.dumps(data))
        assert len(read_label_set(folder).problems) == 1
