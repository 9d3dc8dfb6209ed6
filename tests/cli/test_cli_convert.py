from __future__ import annotations

import json
from pathlib import Path

import made_labels as made
import pytest
from typer.testing import CliRunner

from persam.cli import app
from persam.io.labels import FORMATS, read_label_set, write_label_set


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("name", FORMATS)
def test_converts_to_every_format(name: str, tmp_path: Path):
    write_label_set(made.scene(tmp_path / "in"), tmp_path / "coco", "coco")
    code, said = run("convert", tmp_path / "coco", "--to", name, "--out", tmp_path / "out")
    assert code == 0
    assert f"3 labels of 2 classes in 3 pictures written as {name}" in said
    found = read_label_set(tmp_path / "out")
    assert [one.name for one in found.classes] == ["cat", "my dog"]


def test_says_what_could_not_be_read_and_converts_the_rest(tmp_path: Path):
    (file,) = write_label_set(made.scene(tmp_path / "in"), tmp_path / "coco", "coco").files
    data = json.loads(file.read_text())
    data["annotations"][0]["category_id"] = 99
    file.write_text(json.dumps(data))
    code, said = run("convert", file, "--to", "yolo", "--out", tmp_path / "out")
    assert code == 1
    assert "annotation 0: there is no category 99" in said
    assert "2 labels" in said


def test_writes_over_nothing(tmp_path: Path):
    write_label_set(made.scene(tmp_path / "in"), tmp_path / "coco", "coco")
    code, said = run("convert", tmp_path / "coco", "--to", "yolo", "--out", tmp_path / "in")
    assert code == 2
    assert "is not empty" in said
    code, said = run("convert", tmp_path / "coco", "--to", "kitti", "--out", tmp_path / "new")
    assert code == 2
    assert "--to takes coco, yolo" in said
    assert not (tmp_path / "new").exists()
