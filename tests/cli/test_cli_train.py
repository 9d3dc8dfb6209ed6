"""``persam train``: what it refuses before anything is written. Training itself: test_training."""

from __future__ import annotations

from PIL import Image
from typer.testing import CliRunner

from persam.cli import app


def test_too_little_data_is_named_and_leaves_nothing(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    Image.new("L", (8, 8), 255).save(tmp_path / "a.png")
    out = tmp_path / "run"
    words = ["train", "pocket", str(tmp_path), "--initial", "none.safetensors", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "A batch is 16 pictures, but the data has 1" in " ".join(done.output.split())
    assert not out.exists()


def test_processes_are_not_started_for_weights_that_are_not_there(tmp_path):
    for number in range(24):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.jpg")
        Image.new("L", (8, 8), 255).save(tmp_path / f"{number}.png")
    out = tmp_path / "run"
    words = ["train", "pocket", str(tmp_path), "--initial", "none.safetensors", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--processes", "2", "--device", "cpu"])
    assert done.exit_code != 0
    assert "initial weights cannot be read" in " ".join(done.output.split())
    assert not out.exists()


def test_a_device_that_is_not_there_is_named(tmp_path):
    words = ["train", "pocket", str(tmp_path), "--initial", "none", "--device", "cuda:7"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "cuda:7" in done.output


def test_what_is_asked_for_takes_the_place_of_the_recipe(tmp_path):
    words = ["train", "pocket", str(tmp_path), "--initial", "none", "--steps", "7"]
    words += ["--learning-rate", "4e-4", "--decay", "0.5", "--seed", "3", "--device", "cpu"]
    said = " ".join(CliRunner().invoke(app, words).output.split())
    for fact in ("steps=7,", "learning_rate=0.0004,", "decay=0.5,", "seed=3)"):
        assert fact in said
    assert CliRunner().invoke(app, [*words, "--decay", "0"]).exit_code == 2
