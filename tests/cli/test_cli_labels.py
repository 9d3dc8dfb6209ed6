"""Label a few, get the rest: from labels of any tool to labels of any tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import plush
import pytest
from typer.testing import CliRunner

from persam.cli import app
from persam.io.labels import LabelSet, read_label_set, write_label_set


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        plush.photo_in(tmp_path / "photos", number)
    return tmp_path / "photos"


def labelled_in(folder: Path, name: str, photos: Path) -> Path:
    """Labels of two photos, as a tool keeps them."""
    labels = plush.labelled(photos, (0, 1))
    write_label_set(labels, folder / name, name, pictures="none")
    return folder / name


def test_one_class_of_several_and_individuals(photos: Path, tmp_path: Path):
    labels = labelled_in(tmp_path, "coco", photos)
    learnt = tmp_path / "pets.safetensors"
    code, said = run("learn", labels, "--images", photos, "--out", learnt, "--class", "cat")
    assert code == 2
    assert "There is no class 'cat'; the labels have 'plush dog'" in said
    code, said = run("learn", labels, "--images", photos, "--out", learnt, "--per-instance")
    assert code == 0
    assert "2 objects" in said
    code, said = run("find", "--concept", learnt, photos)
    assert code == 2
    assert "holds 2 objects (plush dog 1, plush dog 2)" in said


def test_what_would_do_nothing_is_refused(photos: Path, tmp_path: Path):
    labels = labelled_in(tmp_path, "coco", photos)
    out = tmp_path / "a.safetensors"
    code, said = run("learn", labels, "--images", photos, "--out", out, "--point", "3,4")
    assert (code, "--point would do nothing" in said) == (2, True)
    words = ("segment", "--reference", photos / "photo0.jpg", "--point", "300,200", photos)
    code, said = run(*words, "--out", tmp_path / "out", "--polygon-error", 0)
    assert (code, "--polygon-error is about label files" in said) == (2, True)
    code, said = run("learn", tmp_path / "photos", "--out", out)
    assert (code, "is in no known label format" in said) == (2, True)


def album(concepts: Path, photos: Path, out: Path, *more: object) -> str:
    code, said = run("segment", "--concept", concepts, photos, "--out", out, *more)
    assert code == 0
    return said


def other_concepts(photos: Path, tmp_path: Path) -> Path:
    """What was learnt of one photo alone, so that masks may differ."""
    labels = tmp_path / "other"
    write_label_set(plush.labelled(photos, (1,)), labels, "coco", pictures="none")
    code, _ = run("learn", labels, "--images", photos, "--out", tmp_path / "other.safetensors")
    assert code == 0
    return tmp_path / "other.safetensors"


def test_label_files_changed_by_hand_are_never_lost(
    plush_concepts: Path, photos: Path, tmp_path: Path
):
    out = tmp_path / "out"
    album(plush_concepts, photos, out, "--save", "coco,yolo")
    changed = {
        out / "labels" / "coco" / "annotations" / "instances_default.json": _drop_annotations,
        out / "labels" / "yolo" / "labels" / "photo2.txt": _shift_box,
    }
    for path, change in changed.items():
        path.write_text(change(path.read_text()))
    by_hand = {path: path.read_bytes() for path in changed}
    said = album(other_concepts(photos, tmp_path), photos, out, "--save", "labelme,coco,yolo")
    assert said.count("1 label file changed by hand, kept") == 2
    assert {path: path.read_bytes() for path in changed} == by_hand
    assert len(read_label_set(out / "labels" / "coco-2").pictures) == 4

    album(plush_concepts, photos, out, "--save", "coco", "--overwrite-hand-work")
    assert all(path.read_bytes() != by_hand[path] for path in list(changed)[:1])


def _drop_annotations(text: str) -> str:
    return json.dumps(json.loads(text) | {"annotations": []})


def _shift_box(text: str) -> str:
    return "0 0.5 0.5 0.25 0.25\n"


def test_corrections_come_back_in_any_format(plush_concepts: Path, photos: Path, tmp_path: Path):
    out, better = tmp_path / "out", tmp_path / "better.safetensors"
    album(plush_concepts, photos, out, "--save", "labelme,coco", "--polygon-error", 0)
    labels = read_label_set(out / "labels" / "labelme")
    assert len(labels.pictures) == 4
    # Somebody draws the dog of one photo anew, in LabelMe.
    right = plush.labelled(tmp_path / "in", (2,))
    folder = tmp_path / "drawn"
    write_label_set(right, folder, "labelme", error=0, pictures="none")
    shutil.copy(folder / "photo2.json", out / "labels" / "labelme" / "photo2.json")
    code, said = run(
        "correct", plush_concepts, photos, "--labels", out / "labels" / "labelme", "--out", better
    )
    assert code == 0
    assert "Took the labels of photo2.jpg" in said
    assert "plush dog: 3 references" in said
    said = album(better, photos, tmp_path / "again", "--save", "coco")
    assert "3 photos labelled by hand, left as labelled" in said
    found = read_label_set(tmp_path / "again" / "labels" / "coco")
    masks = {one.name: one.labels[0].mask for one in found.pictures}
    assert plush.iou(masks["photo2.jpg"], plush.truth(2)) > 0.97


def test_nothing_to_correct_says_so(plush_concepts: Path, photos: Path, tmp_path: Path):
    out = tmp_path / "out"
    album(plush_concepts, photos, out, "--save", "coco")
    words = ("--labels", out / "labels" / "coco", "--out", tmp_path / "better.safetensors")
    code, said = run("correct", plush_concepts, photos, *words)
    assert code == 2
    assert "Nobody has changed a label" in said


def test_a_mask_painted_over_is_a_persons_label(plush_concepts: Path, photos: Path, tmp_path: Path):
    from PIL import Image

    out = tmp_path / "out"
    album(plush_concepts, photos, out)
    path = out / "photo2.png"
    image = Image.open(path)
    pixels = np.array(image)
    pixels[:50, :50] = 1
    painted = Image.fromarray(pixels)
    painted.putpalette(image.getpalette())
    painted.save(path)
    said = album(plush_concepts, photos, out, "--save", "coco")
    assert "1 mask changed by hand, kept" in said
    found = read_label_set(out / "labels" / "coco")
    by: dict[str, LabelSet] = {one.name: one.labels[0].origin.by for one in found.pictures}
    assert by["photo2.jpg"] == "person"
    assert by["photo3.jpg"] == "model"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--save", "coco,kitti"), "--save takes masks, cutouts, overlays, sheet, coco, yolo"),
        (("--save", "coco", "--polygon-error", -3), "0 to 100 pixels; got -3"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_anything_is_looked_for(
    words: tuple[object, ...], said: str, plush_concepts: Path, photos: Path, tmp_path: Path
):
    command = ("segment", "--concept", plush_concepts, photos, "--out", tmp_path / "out")
    code, answer = run(*command, *words)
    assert (code, said in answer) == (2, True)
    assert not (tmp_path / "out").exists()


def test_labels_without_their_pictures_say_so(photos: Path, tmp_path: Path):
    labels = labelled_in(tmp_path, "yolo", photos)
    code, said = run("learn", labels, "--out", tmp_path / "a.safetensors")
    assert code == 2
    assert "no picture photo0 in" in said
    assert f"Nothing could be read of {labels}, for the reasons above" in said
