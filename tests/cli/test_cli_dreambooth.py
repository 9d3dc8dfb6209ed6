"""`persam dreambooth` from end to end on tiny models: prepare, train, check, score."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import tiny_diffusion
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.dreambooth.subject import read_subject

EXTRA = all(importlib.util.find_spec(name) for name in ("diffusers", "peft", "accelerate"))


def run(*words: object, code: int = 0) -> str:
    """Run a command; what it said, or its standard output alone where that is JSON."""
    done = CliRunner().invoke(app, ["dreambooth", *map(str, words)])
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done.stdout if "--json" in words else " ".join(done.output.split())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Two photos of the package's dog, a subject's folder made of them, and tiny models."""
    folder = tmp_path_factory.mktemp("desk")
    for number, name in enumerate(("dog", "meadow")):
        image, mask = samples.files(samples.PICTURES, number)
        (folder / f"{name}.jpg").write_bytes(image.read_bytes())
        (folder / f"{name}.png").write_bytes(mask.read_bytes())
    words = ("--class", "dog", "--resolution", 64, "--device", "cpu")
    shown = ("--reference", folder / "dog.jpg", "--mask", folder / "dog.png")
    text = run("prepare", folder / "meadow.jpg", *shown, "--out", folder / "subject", *words)
    assert "2 photos of 'a photo of sks dog':" in text
    assert "OneTrainer:" in text
    return folder


def test_prepare_leaves_out_what_shows_no_subject(desk, tmp_path):
    Image.new("RGB", (80, 80), (90, 120, 90)).save(tmp_path / "wall.png")
    shown = ("--reference", desk / "dog.jpg", "--mask", desk / "dog.png", "--device", "cpu")
    words = ("prepare", tmp_path / "wall.png", *shown, "--out", tmp_path / "s")
    assert "Left out, the subject was not found" in run(*words, code=1)
    assert [photo.name for photo in read_subject(tmp_path / "s").photos] == ["dog"]
    assert "Kept without a mask" in run(*words, "--keep-unmasked", "--background", "white")
    assert [photo.masked for photo in read_subject(tmp_path / "s").photos] == [True, False]


def test_a_mask_of_the_unturned_photo_is_trained_on_turned(desk, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(desk / "dog.jpg") as photo, Image.open(desk / "dog.png") as mask:
        photo.resize((96, 72)).save(tmp_path / "p.jpg", exif=exif, quality=95)
        mask.convert("L").resize((96, 72)).save(tmp_path / "m.png")
    shown = ("--reference", tmp_path / "p.jpg", "--mask", tmp_path / "m.png", "--device", "cpu")
    words = ("prepare", tmp_path / "p.jpg", *shown, "--resolution", 64, "--out", tmp_path / "s")
    run(*words, "--mask-orientation", "stored")
    with Image.open(tmp_path / "s/found/p.png") as found, Image.open(tmp_path / "m.png") as drawn:
        upright = np.asarray(drawn.transpose(Image.Transpose.ROTATE_180)) > 127
        np.testing.assert_array_equal(np.asarray(found.convert("L")) > 127, upright)


@pytest.mark.skipif(not EXTRA, reason="needs pip install persam[dreambooth]")
def test_train_check_and_score(desk, tmp_path):
    model = tiny_diffusion.build(tmp_path / "base", xl=False)
    few = ("--steps", 2, "--rank", 2, "--prior-pictures", 1, "--sample-steps", 2)
    prompt = ("--sample-prompt", "a sks dog on a beach", "--device", "cpu")
    words = ("train", desk / "subject", "--base", model, "--out", tmp_path / "run", *few)
    text = run(*words, *prompt, "--precision", "fp32")
    assert f"Trained: {tmp_path / 'run' / 'lora.safetensors'}" in text

    text = run("check", tmp_path / "run")
    assert "Masks were used: no gradient reached the background of 2 photos." in text
    assert "gradient outside 0" in text
    found = json.loads(run("check", tmp_path / "run", "--json"))
    assert [picture["seen"] for picture in found["pictures"]] == [1, 1]

    tiny_diffusion.build_clip(tmp_path / "clip")
    tiny_diffusion.build_dino(tmp_path / "dino")
    eyes = ("--clip", tmp_path / "clip", "--dino", tmp_path / "dino", "--device", "cpu")
    drawn = tmp_path / "run" / "samples" / "step-000002"
    words = ("score", drawn, "--subject", desk / "subject", *eyes)
    scores = json.loads(run(*words, "--json"))
    assert scores["clip"] == str(tmp_path / "clip")
    assert scores["finder"] == "persam on pocket"
    assert all(-1 <= scores[name] <= 1 for name in ("clip_i", "clip_t", "dino", "background"))
    assert "background nearest" in run(*words)


@pytest.mark.skipif(not EXTRA, reason="needs pip install persam[dreambooth]")
def test_a_run_without_masks_fails_the_check(desk, tmp_path):
    model = tiny_diffusion.build(tmp_path / "base", xl=False)
    few = ("--steps", 2, "--prior-weight", 0, "--without-masks", "--device", "cpu")
    run("train", desk / "subject", "--base", model, "--out", tmp_path / "run", *few)
    assert "Masks were NOT used" in run("check", tmp_path / "run", code=1)


def test_what_cannot_be_used_is_named(desk, tmp_path):
    assert "holds no subject.json" in run("train", tmp_path, "--base", "x", code=2)
    assert "holds no log" in run("check", tmp_path, code=2)
    assert "steps of a training run is at least 1" in run(
        "train", desk / "subject", "--base", "x", "--steps", 0, code=2
    )


def test_a_clip_that_is_not_here_is_answered_with_the_option_of_it(desk):
    text = run("score", desk / "meadow.jpg", "--subject", desk / "subject", code=2)
    assert "clip-vit-base-patch32 is not in the cache" in text
    assert "Give --clip the folder of one on this machine" in text
    assert "pocket" not in text


def test_a_missing_extra_is_answered_with_the_pip_line(desk, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    text = run("train", desk / "subject", "--base", "x", "--device", "cpu", code=2)
    assert "pip install 'persam[dreambooth]'" in text


def test_help_loads_no_model_library():
    code = (
        "import sys; from persam.cli import app\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
