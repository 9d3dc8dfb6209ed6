"""`benchmarks/pocket.py`, on a tiny model with random weights."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pocket.py"
GOALS = {
    "PerSAM, mIoU": 76,
    "PerSAM, first point on the object": 0.95,
    "PerSAM-F, mIoU": 78,
    "PerSAM-F, first point on the object": 0.95,
    "photos below an IoU of 0.5": 0.10,
    "masks with a second piece above a fifth": 0.04,
    "true box, mIoU of the single mask": 88,
    "centre point, mIoU of the single mask": 78,
    "DUTS test, true box, mIoU of the single mask": 88,
    "present or not by presence, area under ROC": 0.95,
    "look-alike beside it, right one taken": 0.93,
    "photos a second": 15,
    "weights in the package, MB": 12,
}


@pytest.fixture
def script(monkeypatch, tiny):
    spec = importlib.util.spec_from_file_location("pocket_figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pocket_figures", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.persam, "load", lambda name: tiny("pocket"))
    return module


@pytest.fixture
def command(script):
    app = typer.Typer()
    app.command()(script.main)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def duts(tmp_path_factory):
    """A tar of two pictures, whose objects of 100 pixels have a soft edge on one side."""
    folder = tmp_path_factory.mktemp("duts")
    grey = np.zeros((20, 30), np.uint8)
    grey[5:15, 5:15], grey[5:15, 15] = 255, 100
    for stem in ("one", "two"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(folder / f"{stem}.webp")
        Image.fromarray(grey).save(folder / f"{stem}.png")
    with tarfile.open(folder / "test.tar", "w") as tar:
        for path in sorted([*folder.glob("*.png"), *folder.glob("*.webp")]):
            tar.add(path, path.name)
    return folder / "test.tar"


def test_every_figure_has_its_row_and_goal(command, drawn, duts, tmp_path):
    done = command(drawn, "--duts", duts, "--json", tmp_path / "report.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    rows = [row for finding in report["figures"].values() for row in finding["rows"]]
    assert {row["figure"]: row["goal"] for row in rows if row["goal"] is not None} == GOALS
    assert re.findall(r"^\| (.+?) \|", done.output, re.MULTILINE)[2:] == [r["figure"] for r in rows]
    assert report["model"] == "pocket"
    assert report["environment"]["torch"]
    assert str(tmp_path) not in json.dumps(report)
    details = {name: finding["detail"] for name, finding in report["figures"].items()}
    assert set(details["persam"]) == {"dog_1", "dog_2", "mug_1"}
    assert set(details["prompts"]["box"]) == set(details["presence"]) == {"dog", "mug"}
    assert set(details["lookalikes"]) == {"dog"}
    assert details["duts"] == {"pictures": 2}


def test_only_what_is_asked_in_the_tables_order(command, drawn):
    done = command(drawn, "--only", "weight", "--only", "lookalikes")
    figures = re.findall(r"^\| (.+?) \|", done.output, re.MULTILINE)[2:]
    assert figures[0] == "look-alike beside it, right one taken"
    assert figures[-2:] == ["weights in the package, MB", "parameters, millions"]
    assert len(figures) == 6
    assert "| look-alike beside it, pictures | 4 |  |" in done.output


def test_weights_given_in_a_file(command, drawn, tmp_path):
    weights = {"a": np.zeros(600_000, dtype=np.float32), "b": np.zeros((2, 12_500), np.float32)}
    save_file(weights, tmp_path / "other.safetensors")
    done = command(drawn, "--only", "weight", "--model", tmp_path / "other.safetensors")
    assert "| weights in the package, MB | 2.50 | at most 12 |" in done.output
    assert "| parameters, millions | 0.625 |" in done.output


def test_soft_masks_are_object_above_half(script, duts):
    pictures = list(script.pair_pictures([duts]))
    assert [image.shape for image, _ in pictures] == [(20, 30, 3)] * 2
    assert [mask.sum() for _, mask in pictures] == [100, 100]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "sped"], "no figure sped; there are persam,"),
        (["--only", "duts"], "duts needs --duts"),
        (["--model", "sam-vit-huge"], "--model is pocket, or a file"),
    ],
)
def test_what_cannot_be_measured(command, drawn, words, said):
    done = command(drawn, *words)
    assert done.exit_code == 2
    assert said in re.sub(r"[\s│]+", " ", done.output)
