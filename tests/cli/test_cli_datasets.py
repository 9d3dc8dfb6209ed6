from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.evaluation.datasets import CATALOGUE, find

GUIDE = Path(__file__).parents[2] / "docs" / "datasets.md"


def run(*words: object):
    return CliRunner().invoke(app, ["datasets", *map(str, words)])


@pytest.fixture
def root(tmp_path):
    """A PerSeg folder with what stands about in real ones, and a hundred photos of one object."""
    folder = tmp_path / "run00"
    for name, count in (("cat", 3), ("mug00", 101)):
        for number in range(count):
            for part, suffix in (("Images", "jpg"), ("Annotations", "png")):
                path = folder / part / name / f"{number:02d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((6, 8, 3), 200, np.uint8)).save(path)
            (folder / "Images" / name / ".DS_Store").write_bytes(b"x")
    return folder


def test_every_data_set_is_listed_with_all_there_is_to_know():
    done = run()
    assert done.exit_code == 0
    for entry in CATALOGUE:
        assert f"{entry.name}  ({entry.title})" in done.output
        for line in (*entry.layout, *entry.source, entry.licence, entry.splits):
            assert line in done.output


def test_the_list_for_scripts():
    rows = json.loads(run("--json").output)
    assert [row["name"] for row in rows] == [entry.name for entry in CATALOGUE]
    assert rows[2]["folds"] == [str(fold) for fold in range(10)]


def test_usable(root):
    done = run("check", "perseg", root)
    assert done.exit_code == 0
    # 100.jpg is a photo like any other, though its name holds 00, as mug00 and run00 do.
    assert (
        "whole protocol: 2 of 40 objects; 2 subjects of 2 classes, 102 photos to search."
        in done.output
    )
    assert run("check", "PerSeg", samples.PICTURES).exit_code == 0


def test_everything_that_is_wrong_is_said_at_once(root):
    for number in range(1, 20):
        (root / "Annotations/mug00" / f"{number:02d}.png").unlink()
    (root / "Images/cat/01.jpg").unlink()
    Image.fromarray(np.ones((7, 8), np.uint8)).save(root / "Annotations/cat/02.png")
    done = run("check", "perseg", root)
    assert done.exit_code == 1
    assert "cat: masks without a picture: 01." in done.output
    assert "mug00: pictures without a mask: 01, 02, 03" in done.output
    assert "12 and 7 more." in done.output
    assert "cat/02.png (7x8, not 6x8)" in done.output
    every = run("check", "perseg", root, "--all")
    assert every.exit_code == 1
    assert {f"  {number:02d}" for number in range(1, 20)} <= set(every.output.splitlines())
    assert "more" not in every.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "voc", "."], "no data set 'voc'; there are perseg, fss-1000"),
        (["check", "perseg", "nowhere"], "nowhere is not a folder. Give the folder PerSeg"),
        (["check", "lvis-92i", "nowhere"], "nowhere is not a folder. Give the folder LVIS"),
    ],
)
def test_what_cannot_be_looked_at(words, said):
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_the_guide_names_every_data_set_and_its_files():
    text = GUIDE.read_text(encoding="utf-8")
    for entry in CATALOGUE:
        assert f"`{entry.name}`" in text
        for line in entry.layout:
            assert line.split("  ")[0] in text
    assert find("perseg").licence in text


def test_help_is_light():
    code = (
        "import sys, persam.cli.datasets, persam.evaluation.datasets.catalogue;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
