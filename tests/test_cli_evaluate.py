from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.images import read_image, read_mask


@pytest.fixture
def root(tmp_path):
    """The samples under two names, few and small."""
    for number in range(3):
        image, mask = samples.files(samples.PICTURES, number)
        small = Image.fromarray(read_image(image)).resize((80, 60))
        truth = Image.fromarray(read_mask(mask, (480, 640))).resize((80, 60), 0)
        for name in ("dog", "again"):
            for part, suffix, picture in (
                ("Images", "jpg", small),
                ("Annotations", "png", truth),
            ):
                path = tmp_path / "data" / part / name / f"{number:02d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture.save(path)
    return tmp_path / "data"


def run(*words: object):
    return CliRunner().invoke(app, ["evaluate", "perseg", *map(str, words)])


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_report_table_and_masks(root, tmp_path, tiny_sam_folder, method):
    report, found = tmp_path / "report.json", tmp_path / "found"
    done = run(
        root,
        "--model",
        tiny_sam_folder,
        "--method",
        method,
        "--device",
        "cpu",
        "--json",
        report,
        "--save-masks",
        found,
    )
    assert done.exit_code == 0, done.output
    assert "again" in done.output
    assert "mIoU" in done.output
    assert "4 photos" in done.output
    read = json.loads(report.read_text())
    assert set(read["objects"]) == {"dog", "again"}
    assert read["objects"]["dog"]["iou"] == read["objects"]["again"]["iou"]
    assert read["settings"]["method"] == method
    assert (read["objects"]["dog"]["weights"] is not None) == (method == "persam-f")
    # The score can be computed again from what was saved.
    pairs = [
        (
            np.asarray(Image.open(found / "dog" / f"{stem}.png")) > 0,
            np.asarray(Image.open(root / "Annotations" / "dog" / f"{stem}.png")) > 0,
        )
        for stem in ("01", "02")
    ]
    shared = sum((mask & truth).sum() for mask, truth in pairs)
    either = sum((mask | truth).sum() for mask, truth in pairs)
    assert read["objects"]["dog"]["iou"] == pytest.approx(shared / either)


def test_switches_reach_the_recipe(root, tmp_path, tiny_sam_folder):
    report = tmp_path / "report.json"
    words = "--objects dog --variant official --without semantic-prompt --alpha 0.5 --quiet"
    done = run(
        root, "--model", tiny_sam_folder, *words.split(), "--json", report, "--reference-index", 1
    )
    assert done.exit_code == 0, done.output
    settings = json.loads(report.read_text())["settings"]
    assert settings["reference_index"] == 1
    assert settings["variant"]["alpha"] == 0.5
    assert settings["variant"]["semantic_prompt"] is False
    assert settings["variant"]["foreground"] == "official"
    assert len(done.stdout.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objects", "cow"], "No such objects: cow"),
        (["--reference-index", "9"], "no photo 09"),
        (["--without", "refine"], "refine"),
        (["--method", "persam-f", "--variant", "official", "--alpha", "2"], "would do nothing"),
    ],
)
def test_bad_options(root, words, said):
    done = run(root, *words)
    assert done.exit_code == 2
    assert said in done.output


def test_help_is_light():
    code = (
        "import sys, persam.cli.evaluate, persam.cli.demo;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
