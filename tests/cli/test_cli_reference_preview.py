"""What a box or a click took for the object is told and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from persam import samples
from persam.cli import app
from persam.pipeline.prompts import mask_box

PHOTO, MASK = samples.files(samples.PICTURES, 0)
BOX = mask_box(np.asarray(Image.open(MASK).convert("L")) > 0)
CLICK = ",".join(str((BOX[i] + BOX[i + 2]) // 2) for i in (0, 1))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("learnt") / "dog.safetensors"
    result = run("learn", PHOTO, "--box", ",".join(map(str, BOX)), "--out", out)
    assert result.exit_code == 0, result.output
    return out, " ".join(result.output.split())


def test_the_words_say_how_much_and_where(learnt: tuple[Path, str]) -> None:
    out, said = learnt
    share = float(said.partition("The box took ")[2].partition("%")[0]) / 100
    truth = (np.asarray(Image.open(MASK).convert("L")) > 0).mean()
    assert share == pytest.approx(truth, rel=0.2)
    assert "of 00.jpg for the object, from " in said
    assert "dog.reference.jpg" in said
    with Image.open(out.with_name("dog.reference.jpg")) as picture:
        assert max(picture.size) == 640


def test_learning_again_draws_again_and_leaves_somebodys_own_file(
    learnt: tuple[Path, str], tmp_path: Path
) -> None:
    out = tmp_path / "dog.safetensors"
    drawn = tmp_path / "dog.reference.jpg"
    drawn.write_bytes(learnt[0].with_name("dog.reference.jpg").read_bytes())
    before = drawn.read_bytes()
    assert run("learn", PHOTO, "--point", CLICK, "--out", out).exit_code == 0
    assert drawn.read_bytes() != before
    drawn.write_bytes(b"mine")
    again = run("learn", PHOTO, "--point", CLICK, "--out", out)
    assert "somebody's own file" in " ".join(again.output.split())
    assert drawn.read_bytes() == b"mine"


def test_a_mask_is_not_drawn(tmp_path: Path) -> None:
    result = run("learn", PHOTO, "--mask", MASK, "--out", tmp_path / "dog.safetensors")
    assert "took" not in result.output
    assert not (tmp_path / "dog.reference.jpg").exists()


def test_an_album_shows_it_first(tmp_path: Path) -> None:
    words = ("segment", samples.files(samples.PICTURES, 1)[0], "--reference", PHOTO)
    options = ("--point", CLICK, "--out", tmp_path / "out", "--save", "sheet")
    result = run(*words, *options)
    assert result.exit_code == 0, result.output
    assert "The click took" in " ".join(result.output.split())
    assert (tmp_path / "out" / "reference.jpg").is_file()
    page = (tmp_path / "out" / "sheet.html").read_text()
    assert 0 < page.index("The reference") < page.index("01.jpg")
    assert run(*words, *options).exit_code == 0  # its own file is replaced
    (tmp_path / "out" / "reference.jpg").write_bytes(b"mine")
    assert run(*words, *options).exit_code == 0
    assert (tmp_path / "out" / "reference.jpg").read_bytes() == b"mine"
