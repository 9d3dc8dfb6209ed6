from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.io.images import read_image
from persam.io.masks import read_mask


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


@pytest.fixture
def fss(tmp_path):
    """FSS-1000's layout with one class, its object a square that is red."""
    folder = tmp_path / "FSS-1000"
    (folder / "data" / "dot").mkdir(parents=True)
    (folder / "splits").mkdir()
    (folder / "splits" / "test.txt").write_text("dot\n")
    for number in range(1, 11):
        truth = np.zeros((40, 50), np.uint8)
        truth[number : number + 12, 2 * number : 2 * number + 12] = 255
        Image.fromarray(truth).save(folder / "data" / "dot" / f"{number}.png")
        photo = np.where(truth[..., None] > 0, (250, 0, 0), 90).astype(np.uint8)
        Image.fromarray(photo).save(folder / "data" / "dot" / f"{number}.jpg")
    return folder


def test_a_run_is_scored_again_without_a_model(root, tmp_path, tiny_sam_folder):
    first, again, out = (tmp_path / name for name in ("first.json", "again.json", "out"))
    words = [root, "--model", tiny_sam_folder, "--device", "cpu", "--out", out]
    assert run(*words, "--json", first).exit_code == 0
    times = {path: path.stat().st_mtime_ns for path in out.glob("*/*.png")}
    assert len(times) == 4
    done = run(root, "--score-only", out, "--json", again)
    assert done.exit_code == 0, done.output
    assert json.loads(again.read_text()) == json.loads(first.read_text())
    # The same command has nothing left to do; another one is refused.
    assert run(*words).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    other = run(*words, "--without", "semantic-prompt")
    assert other.exit_code == 2
    assert "variant.semantic_prompt was True, now False" in other.output
    (out / "dog" / "02.png").unlink()
    lacking = run(root, "--score-only", out)
    assert lacking.exit_code == 1
    assert "1 predictions are missing and not scored: dog/02" in lacking.output


def test_episodes_of_another_data_set(fss, tmp_path, tiny_sam_folder):
    report = tmp_path / "report.json"
    words = ["fss-1000", fss, "--model", tiny_sam_folder, "--episodes", 2, "--json", report]
    done = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    assert done.exit_code == 0, done.output
    assert "class" in done.output
    assert "FB-IoU" in done.output
    assert "1 classes, 2 photos" in done.output
    read = json.loads(report.read_text())
    assert read["settings"]["size"] == 518
    assert read["settings"]["episodes"] == 2
    assert len(read["objects"]["dot"]["photos"]) == 2
    full = CliRunner().invoke(app, ["evaluate", *map(str, words), "--original-size"])
    assert full.exit_code == 0, full.output
    settings = json.loads(report.read_text())["settings"]
    assert (settings["size"], settings["original_size"]) == (518, True)
    assert settings["precision"] in ("fp32", "bf16")  # never auto


def test_a_method_of_ones_own(root, tmp_path, tiny_sam_folder):
    report = tmp_path / "report.json"
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import persam\n\n\ndef build(backbone, image, *, mask):\n"
        "    return persam.finetune(backbone, image, mask=mask)\n"
    )
    done = run(root, "--method", f"{mine}:build", "--model", tiny_sam_folder, "--json", report)
    assert done.exit_code == 0, done.output
    read = json.loads(report.read_text())
    assert read["settings"]["method"] == f"{mine}:build"
    assert len(read["settings"]["method_sha256"]) == 64
    assert read["parameters"] == 2


def test_a_baseline_says_how_much_it_trained(root, tmp_path, tiny_sam_folder):
    report = tmp_path / "report.json"
    words = ["--method", "free-weights", "--objects", "dog", "--json", report]
    done = run(root, "--model", tiny_sam_folder, *words)
    assert done.exit_code == 0, done.output
    read = json.loads(report.read_text())
    assert read["parameters"] == 3
    assert read["settings"]["method"] == "free-weights"
    assert read["settings"]["variant"]["pooling"] == "mean+max"
    assert 0 < read["learn_seconds"] <= read["seconds"]


def test_a_model_of_its_own(root, tmp_path):
    report, folder = tmp_path / "report.json", tmp_path / "tiny-seggpt"
    tiny.seggpt_model().save_pretrained(folder)
    done = run(root, "--method", "seggpt", "--model", folder, "--json", report)
    assert done.exit_code == 0, done.output
    assert "point hit –" in done.output  # noqa: RUF001
    read = json.loads(report.read_text())
    assert read["settings"]["method"] == "seggpt"
    assert read["settings"]["model"] == str(folder)
    assert (read["parameters"], read["point_hit"]) == (0, None)


def test_dino_in_front_of_a_model(root, tmp_path, tiny_sam_folder):
    report, folder = tmp_path / "report.json", tmp_path / "tiny-dino"
    tiny.dinov2_model().save_pretrained(folder)
    words = ["--model", tiny_sam_folder, "--match-with", folder, "--objects", "dog"]
    done = run(root, *words, "--json", report)
    assert done.exit_code == 0, done.output
    model = json.loads(report.read_text())["settings"]["model"]
    assert str(folder) in model
    assert str(tiny_sam_folder) in model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--score-only", "x", "--method", "persam-f"], "--method would do nothing"),
        (["--score-only", "x", "--save-masks", "y"], "--save-masks would do nothing"),
        (["--score-only", "nowhere"], "nowhere is not a folder"),
        (["--folds", "0", "--episodes", "3"], "--folds and --episodes would do nothing"),
        (["--original-size"], "--original-size would do nothing: perseg has no such thing"),
        (["--method", "seggpt", "--alpha", "1"], "SegGPT is a model of its own"),
        (["--method", "nothing"], "The methods are persam"),
        (["--out", "{root}"], "files of its own (Annotations, Images)"),
    ],
)
def test_options_that_contradict(root, words, said):
    done = run(root, *(word.replace("{root}", str(root)) for word in words))
    assert done.exit_code == 2
    assert said in done.output


def test_unknown_data_sets_and_folds(root, fss):
    for words, said in (
        (["persec", root], "There is no data set 'persec'"),
        (["fss-1000", fss, "--objects", "dog"], "--objects would do nothing"),
        (["fss-1000", fss, "--folds", "one"], "--folds takes numbers"),
    ):
        done = CliRunner().invoke(app, ["evaluate", *map(str, words)])
        assert done.exit_code == 2
        assert said in done.output
