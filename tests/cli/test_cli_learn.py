from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app
from persam.cli.object_args import numbers
from persam.concept import Concept
from persam.errors import InputError
from persam.models.loading import load


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def reference(tmp_path: Path) -> tuple[Path, Path]:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[10:40, 20:50] = 255
    Image.fromarray(noise).save(tmp_path / "dog.jpg")
    Image.fromarray(mask).save(tmp_path / "dog.png")
    return tmp_path / "dog.jpg", tmp_path / "dog.png"


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_learns_a_concept_that_loads(
    reference: tuple[Path, Path], tiny_sam_folder: Path, tmp_path: Path, method: str
) -> None:
    image, mask = reference
    out = tmp_path / "dog.safetensors"
    options = ["--method", method, "--model", tiny_sam_folder, "--device", "cpu"]
    result = run("learn", image, "--mask", mask, "--out", out, *options, "--without", "refine-box")
    assert result.exit_code == 0, result.output
    assert "dog.safetensors" in result.output
    concept = Concept.load(out, load(str(tiny_sam_folder), device="cpu"))
    assert (concept.method, concept.variant.refine_box) == (method, False)


@pytest.mark.parametrize(
    "way", [["--box", "20,10,50,40"], ["--point", "30,20", "--point", "40,30"]]
)
def test_a_box_or_points_instead_of_a_mask(
    reference: tuple[Path, Path], tiny_sam_folder: Path, tmp_path: Path, way: list[str]
) -> None:
    out = tmp_path / "dog.safetensors"
    result = run("learn", reference[0], *way, "--out", out, "--model", tiny_sam_folder)
    # A random model may take everything or nothing for the object, and must say so then.
    said = " ".join(result.output.split())
    assert result.exit_code == 0 or "The model took" in said, said
    assert out.exists() == (result.exit_code == 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "dog.safetensors"], "got none of them"),
        (["--mask", "{mask}", "--out", "dog.png"], "--out names a concept file"),
        (["--mask", "{mask}", "--out", "{mask}/dog.safetensors"], "cannot be written"),
        (["--mask", "missing.png", "--out", "dog.safetensors"], "missing.png cannot be read"),
        (["--mask", "{mask}", "--out", "dog.safetensors", "--alpha", "-1"], "--alpha"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    reference: tuple[Path, Path],
    tiny_sam_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(reference[0].parent)
    filled = [word.format(mask=reference[1]) for word in words]
    result = run("learn", reference[0], *filled, "--model", tiny_sam_folder)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "nan,1", "1;2", "inf,1"])
def test_numbers_are_two_finite_ones(text: str) -> None:
    with pytest.raises(InputError, match="--point 10,20"):
        numbers(text, "--point", 2)
