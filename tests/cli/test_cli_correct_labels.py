"""Labels that people changed, deleted or renamed in another tool, and what they teach."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plush
import pytest
from typer.testing import CliRunner

from persam.cli import app
from persam.io.concept_set import read_concept_set
from persam.io.labels import read_label_set
from persam.methods.persam import personalize

COCO = Path("annotations") / "instances_default.json"


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in (0, 1, 2):
        plush.photo_in(tmp_path / "photos", number)
    return tmp_path / "photos"


def album(concept: Path, photos: Path, out: Path) -> Path:
    assert run("segment", "--concept", concept, photos, "--out", out, "--save", "coco")[0] == 0
    return out / "labels" / "coco" / COCO


def changed(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def delete_of(name: str) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        (image,) = [one["id"] for one in data["images"] if one["file_name"] == name]
        data["annotations"] = [one for one in data["annotations"] if one["image_id"] != image]

    return change


def test_a_deleted_label_teaches_what_the_object_is_not(
    plush_concepts: Path, photos: Path, tmp_path: Path
):
    file, better = album(plush_concepts, photos, tmp_path / "out"), tmp_path / "better.safetensors"
    changed(file, delete_of("photo2.jpg"))
    words = ("correct", plush_concepts, photos, "--out", better)
    code, said = run(*words, "--labels", file)
    assert code == 0
    assert "Took what was deleted in photo2.jpg for something other than plush dog" in said
    assert "plush dog: 2 references" in said
    said = run("segment", "--concept", better, photos, "--out", tmp_path / "again")[1]
    assert "3 photos labelled by hand, left as labelled" in said
    pictures = read_concept_set(better).labels.pictures
    assert {one.name: len(one.labels) for one in pictures} == {
        "photo0.jpg": 1,
        "photo1.jpg": 1,
        "photo2.jpg": 0,
    }

    # Away from its run a file does not know what was deleted, unless it is told which run it was.
    moved = tmp_path / "export.json"
    moved.write_bytes(file.read_bytes())
    code, said = run(*words, "--labels", moved)
    assert (code, "Nobody has changed a label" in said) == (2, True)
    code, said = run(*words, "--labels", moved, "--run", tmp_path / "out")
    assert (code, "Took what was deleted in photo2.jpg" in said) == (0, True)

    # A picture that the file leaves out says nothing.
    def leave_out(data: dict[str, Any]) -> None:
        data["images"] = [one for one in data["images"] if one["file_name"] != "photo2.jpg"]

    changed(file, leave_out)
    code, said = run(*words, "--labels", file)
    assert (code, "Nobody has changed a label" in said) == (2, True)


def test_what_is_rejected_is_far_less_likely(built_in: Any, tmp_path: Path):
    photo, other = plush.photo_in(tmp_path, 0), plush.photo_in(tmp_path, 2)
    concept = personalize(built_in, photo, mask=plush.truth(0))
    before = concept.segment(other)
    after = concept.reject(other, before.mask).segment(other)
    assert after.presence < before.presence - 0.3


def test_a_deleted_reference_teaches_no_more(plush_concepts: Path, photos: Path, tmp_path: Path):
    file, better = album(plush_concepts, photos, tmp_path / "out"), tmp_path / "better.safetensors"
    changed(file, delete_of("photo1.jpg"))
    code, said = run("correct", plush_concepts, photos, "--labels", file, "--out", better)
    assert code == 0
    assert "plush dog: 1 reference" in said


def test_one_object_of_one_picture_is_corrected_too(built_in: Any, photos: Path, tmp_path: Path):
    dog, better = tmp_path / "dog.safetensors", tmp_path / "better.safetensors"
    personalize(built_in, photos / "photo0.jpg", mask=plush.truth(0)).save(dog)
    file = album(dog, photos, tmp_path / "out")
    assert [one.name for one in read_label_set(file, [photos]).classes] == ["dog"]

    def redraw(data: dict[str, Any]) -> None:
        one = next(one for one in data["annotations"] if one["image_id"] == 3)  # photo2.jpg
        one["segmentation"] = [[100, 100, 200, 100, 200, 300, 100, 300]]

    changed(file, redraw)
    changed(file, delete_of("photo1.jpg"))
    code, said = run("correct", dog, photos, "--labels", file, "--out", better)
    assert code == 0
    assert "Took the labels of photo2.jpg" in said
    assert "Took what was deleted in photo1.jpg for something other than dog" in said
    assert "dog: 2 references" in said
    assert run("segment", "--concept", better, photos, "--out", tmp_path / "again")[0] == 0
