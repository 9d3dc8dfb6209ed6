from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam.cli import app


@pytest.fixture
def root(tmp_path):
    """One object of two photos, in PerSeg's layout."""
    for number in range(2):
        truth = np.zeros((40, 60), np.uint8)
        truth[10:25, 10 + 8 * number : 30 + 8 * number] = 255
        photo = np.where(truth[..., None] > 0, (250, 0, 0), 90).astype(np.uint8)
        for part, pixels in (("Images", photo), ("Annotations", truth)):
            path = tmp_path / "data" / part / "dog" / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return tmp_path / "data"


def run(*words: object):
    return CliRunner().invoke(app, ["ablate", *map(str, words)])


def test_both_tables_of_the_paper(root, tmp_path, tiny_sam_folder):
    report, out = tmp_path / "ablation.json", tmp_path / "out"
    words = [root, "--model", tiny_sam_folder, "--device", "cpu", "--out", out, "--json", report]
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "The official recipe, one component after the other:" in done.stdout
    assert "The model's own recipe, one component" in done.stdout  # points on parts, absence
    for row in ("positive point", "+ scale weights", "filled box"):
        assert f"| {row} |" in done.stdout
    read = json.loads(report.read_text())
    assert len(read["rows"]) == 7 + 9 + 8 + 8
    assert len(list(out.glob("*/dog/01.png"))) == 32
    assert read["settings"]["precision"] == "fp32"
    times = [path.stat().st_mtime_ns for path in sorted(out.glob("*/dog/01.png"))]
    again = run(*words)
    assert again.exit_code == 0, again.output
    assert [path.stat().st_mtime_ns for path in sorted(out.glob("*/dog/01.png"))] == times
    assert json.loads(report.read_text())["rows"] == read["rows"]


def test_quiet_says_nothing(root, tiny_sam_folder):
    done = run(root, "--model", tiny_sam_folder, "--quiet")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""


def test_bad_input(root):
    assert "No such objects: cow" in run(root, "--objects", "cow").output
    assert run(root / "nowhere").exit_code == 2
