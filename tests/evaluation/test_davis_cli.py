from __future__ import annotations

import json
from pathlib import Path

import davis_drawing as drawing
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import persam
from persam import samples
from persam.cli import app
from persam.evaluation import published, tables
from persam.evaluation.datasets import CATALOGUE

DATA = Path(persam.__file__).parents[2] / "shared" / "data" / "video"


@pytest.fixture
def root(tmp_path):
    return drawing.draw(tmp_path / "data")


def run(*words: object):
    return CliRunner().invoke(app, ["evaluate", "davis", *map(str, words)])


@pytest.mark.parametrize(
    ("variant", "method"), [("default", "persam"), ("default", "persam-f"), ("official", "persam")]
)
def test_run_then_score_again(root, tmp_path, tiny_sam_folder, variant, method):
    out, first, again = (tmp_path / name for name in ("out", "first.json", "again.json"))
    words = ["--model", tiny_sam_folder, "--device", "cpu", "--out", out]
    words += ["--variant", variant, "--method", method]
    done = run(root, *words, "--json", first)
    assert done.exit_code == 0, done.output
    assert "2 sequences, 3 objects, 4 frames scored" in done.output
    assert "dogs/2" in done.output
    assert "davis shows dogs/3 only after the first frame" in done.output
    read = json.loads(first.read_text())
    assert read["settings"]["tracking"] == variant
    assert read["settings"]["method"] == method
    assert (read["objects"]["bird/1"]["weights"] is not None) == (method == "persam-f")
    assert all(path.is_file() for path in (out / "dogs/00000.png", out / "bird/00002.png"))
    scored = run(root, "--score-only", out, "--json", again, "--quiet")
    assert scored.exit_code == 0, scored.output
    assert json.loads(again.read_text()) == read
    assert len(scored.stdout.strip().splitlines()) == 2


def test_official_learns_as_the_video_scripts_do(root, tmp_path, tiny_sam_folder):
    report = tmp_path / "report.json"
    words = ["--model", tiny_sam_folder, "--variant", "official", "--sequences", "bird"]
    done = run(root, *words, "--json", report, "--save-masks", tmp_path / "masks")
    assert done.exit_code == 0, done.output
    settings = json.loads(report.read_text())["settings"]
    assert settings["tracker"] == {"function": "persam.video.tracking.track", "variant": "official"}
    assert settings["variant"]["positive_points"] == 2
    assert settings["sequences"] == ["bird"]
    assert sorted(path.name for path in (tmp_path / "masks/bird").iterdir()) == [
        "00001.png",
        "00002.png",
    ]


def test_missing_predictions_end_with_1(root, tmp_path):
    path = tmp_path / "theirs/dogs/00001.png"
    drawing.write_labels(path, drawing.labels(drawing.DOGS[1][0]))
    done = run(root, "--score-only", tmp_path / "theirs", "--year", 2016)
    assert done.exit_code == 1
    assert "3 predictions are missing and not scored: dogs/00002, dogs/00003" in done.output
    assert "J&F 100.00%" in done.output
    assert "– frames/s, peak memory – MiB" in done.output  # noqa: RUF001


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objects", "dogs"], "--objects would do nothing: davis has no such thing"),
        (["--folds", "0", "--original-size"], "--folds and --original-size would do nothing"),
        (["--sequences", "cat"], "No such sequences: cat. The list has dogs, bird"),
        (["--year", "2018"], "DAVIS is of 2016 or 2017; got 2018"),
        (["--variant", "official", "--alpha", "1"], "the official video scripts have one recipe"),
        (["--variant", "official", "--method", "lora"], "know persam and persam-f; got 'lora'"),
        (["--score-only", "x", "--variant", "memory"], "--variant would do nothing"),
        (["--score-only", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_options_that_contradict(root, words, said):
    done = run(root, *words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_method_whose_finds_cannot_be_followed(root, tiny_sam_folder):
    done = run(root, "--model", tiny_sam_folder, "--method", "free-weights")
    assert done.exit_code == 2
    assert "only a Concept can be followed" in done.output


def test_memory_is_for_clips_and_for_models_that_have_one(root, tiny_sam_folder):
    words = ["evaluate", "perseg", str(samples.PICTURES), "--variant", "memory"]
    pictures = CliRunner().invoke(app, words)
    assert pictures.exit_code == 2
    assert "--variant memory follows objects through a clip" in pictures.output
    clips = run(root, "--model", tiny_sam_folder, "--variant", "memory")
    assert clips.exit_code == 2
    assert str(tiny_sam_folder) in clips.output


def test_the_folder_is_checked(root):
    done = CliRunner().invoke(app, ["datasets", "check", "davis", str(root)])
    assert done.exit_code == 0
    assert "is complete; 2 sequences, 6 frames to search." in done.output
    (root / "Annotations/480p/dogs/00003.png").unlink()
    lacking = CliRunner().invoke(app, ["datasets", "check", "davis", str(root)])
    assert lacking.exit_code == 1
    assert "sequence dogs: frames without a mask: 00003." in lacking.output


def rows(text: str) -> list[dict[str, str]]:
    drawn = (line for line in text.splitlines() if line.startswith("|"))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in drawn]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_own_rows_stand_among_the_published_ones(root, tmp_path):
    report = tmp_path / "mine.json"
    theirs = tmp_path / "theirs"
    for name, frames in drawing.CLIPS.items():
        for number, (_, answer) in enumerate(frames):
            drawing.write_labels(theirs / name / f"{number:05d}.png", drawing.labels(answer))
    assert run(root, "--score-only", theirs, "--json", report).exit_code == 0
    text = tables.markdown([tables.read_report(report)])
    assert text.startswith("## davis-2017\n\n| method | data | J&F | J | J recall | J decay | F |")
    own, *others = rows(text)
    assert own["method"] == "masks from elsewhere"
    assert own["data"] == "data, 2 of 30 sequences †"
    assert "† Not the whole protocol" in text
    assert (own["J"], own["J recall"], own["J decay"]) == ("81.5", "77.8", "22.2")
    assert own["source"].startswith("mine.json, persam ")
    assert len(others) == len(published.VIDEO_TABLES)
    shares = [float(row["J&F"]) for row in (own, *others)]
    assert shares == sorted(shares, reverse=True)
    ours = next(row for row in others if row["method"] == "PerSAM-F")
    assert (ours["J&F"], ours["J"], ours["F"]) == ("76.1", "74.9", "79.7")
    assert ours["source"].endswith("J&F is not the mean of J and F")
    first = next(row for row in others if row["method"] == "PerSAM-F, first version")
    assert (first["J&F"], first["J"], first["F"]) == ("71.9", "", "")


def test_2016_has_a_table_of_its_own(root, tmp_path):
    report = tmp_path / "mine.json"
    drawing.write_labels(tmp_path / "theirs/bird/00001.png", drawing.labels((drawing.ONE,)))
    words = ["--year", 2016, "--sequences", "bird", "--score-only", tmp_path / "theirs"]
    assert run(root, *words, "--json", report).exit_code == 0
    text = tables.markdown([tables.read_report(report)])
    assert text.startswith("## davis-2016")
    assert "1 of 20 sequences †" in text
    assert len(rows(text)) == 1  # nothing published is known
    damaged = json.loads(report.read_text()) | {"j": 1}
    report.write_text(json.dumps(damaged))
    with pytest.raises(persam.InputError, match="is a damaged report"):
        tables.read_report(report)


def test_published_rows_are_told_apart():
    keys = [(row.dataset, row.method) for row in published.VIDEO_TABLES]
    assert len(set(keys)) == len(keys)
    names = {entry.name for entry in CATALOGUE}
    assert {row.dataset.rpartition("-")[0] for row in published.VIDEO_TABLES} <= names
    for row in published.VIDEO_TABLES:
        average = None if row.j is None or row.f is None else (row.j + row.f) / 2
        assert row.remark or average is None or row.jf == pytest.approx(average, abs=0.1)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real sequences of {DATA} are not here")
def test_a_real_sequence_with_the_built_in_model(tmp_path):
    for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        folder = tmp_path / part / "480p/car-shadow"
        folder.mkdir(parents=True)
        for number in range(4):
            name = f"{number:05d}.{suffix}"
            source = DATA / part / "480p/car-shadow" / name
            (folder / name).write_bytes(source.read_bytes())
    listing = tmp_path / "ImageSets/2016/val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("car-shadow\n")
    done = run(tmp_path, "--json", tmp_path / "report.json", "--out", tmp_path / "out", "--quiet")
    assert done.exit_code == 0, done.output
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["jf"] > 0.7
    assert np.asarray(Image.open(tmp_path / "out/car-shadow/00002.png")).max() == 1
