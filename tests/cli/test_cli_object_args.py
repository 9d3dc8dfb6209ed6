from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app
from persam.cli.object_args import Examples, ReferenceArgs
from persam.concept import Concept
from persam.errors import InputError
from persam.models.loading import load


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, one with a colon in its name, and their masks."""
    random = np.random.default_rng(0)
    for number, name in enumerate(("a", "b:2")):
        noise = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        mask = np.zeros((48, 64), dtype=np.uint8)
        mask[10:40, 20 + number : 50] = 255
        Image.fromarray(noise).save(tmp_path / f"{name}.jpg")
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.jpg:a.png", ReferenceArgs(Path("a.jpg"), mask=Path("a.png"))),
        ("a.jpg:20,10,50,40", ReferenceArgs(Path("a.jpg"), box="20,10,50,40")),
        ("a.jpg:20,10", ReferenceArgs(Path("a.jpg"), points=("20,10",))),
        ("b:2.jpg:b:2.png", ReferenceArgs(Path("b:2.jpg"), mask=Path("b:2.png"))),
        ("b:2.jpg:30,20", ReferenceArgs(Path("b:2.jpg"), points=("30,20",))),
        ("a.jpg:C:\\masks\\a.png", ReferenceArgs(Path("a.jpg"), mask=Path("C:\\masks\\a.png"))),
    ],
)
def test_what_stands_where(folder: Path, text: str, told: ReferenceArgs) -> None:
    assert ReferenceArgs.of(text) == told


@pytest.mark.parametrize(
    ("text", "why"),
    [("a.jpg", "nothing behind its name says where"), ("gone.jpg:1,2", "is an existing file")],
)
def test_a_picture_that_shows_no_object(folder: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=f"as PICTURE:MASK.*got '{text}'.*{why}"):
        ReferenceArgs.of(text)


def test_numbers_that_are_no_box_and_no_pixel(folder: Path) -> None:
    with pytest.raises(InputError, match="is followed by 3 numbers, 1,2,3: a box has 4"):
        ReferenceArgs.of("a.jpg:1,2,3")
    (folder / "1,2,3").write_bytes((folder / "a.png").read_bytes())
    assert ReferenceArgs.of("a.jpg:1,2,3") == ReferenceArgs(Path("a.jpg"), mask=Path("1,2,3"))


def test_whole_paths(folder: Path) -> None:
    assert ReferenceArgs.of(f"{folder}/a.jpg:{folder}/a.png").files == (
        folder / "a.jpg",
        folder / "a.png",
    )


@pytest.mark.parametrize("text", ["", "a.jpg", "a.jpg:", ":a.png", "gone.jpg:a.png", "a.png,a.jpg"])
def test_what_shows_nothing(folder: Path, text: str) -> None:
    with pytest.raises(InputError, match="PICTURE:MASK"):
        ReferenceArgs.of(text)


def test_the_places_of_one_command_line(folder: Path) -> None:
    first = ReferenceArgs(Path("a.jpg"), box="1,2,3,4")
    examples = Examples.of(first, ["b:2.jpg:3,4"], ["a.jpg:a.png"])
    assert examples.files == (Path("a.jpg"), Path("b:2.jpg"), Path("a.jpg"), Path("a.png"))
    moved = Examples.of(first, ["b:2.jpg:3,5"], ["a.jpg:a.png"])
    swapped = Examples.of(first, None, ["b:2.jpg:3,4", "a.jpg:a.png"])
    assert len({examples.places, moved.places, swapped.places}) == 3


def test_learn_from_several_and_against_one(folder: Path, tiny_sam_folder: Path) -> None:
    words = ["learn", "a.jpg", "--mask", "a.png", "--also", "b:2.jpg:b:2.png", "--out"]
    model = ["--model", tiny_sam_folder, "--device", "cpu"]
    result = run(*words, "both.safetensors", *model)
    assert result.exit_code == 0, result.output
    assert "a.jpg and 1 more" in result.output
    backbone = load(str(tiny_sam_folder), device="cpu")
    concept = Concept.load(folder / "both.safetensors", backbone)
    assert (len(concept.references), len(concept.negatives)) == (2, 0)
    more = ["--not", "a.jpg:a.png", "--min-presence", "0.75"]
    result = run(*words, "warned.safetensors", *model, *more)
    assert result.exit_code == 0, result.output
    concept = Concept.load(folder / "warned.safetensors", backbone)
    assert (len(concept.references), len(concept.negatives)) == (2, 1)
    assert concept.variant.min_presence == 0.75


def test_segment_says_how_surely(folder: Path, tiny_sam_folder: Path) -> None:
    shown = ["--reference", "a.jpg", "--mask", "a.png", "--also", "b:2.jpg:b:2.png"]
    noise = np.random.default_rng(7).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save("c.jpg")
    words = ["segment", "c.jpg", *shown, "--model", tiny_sam_folder, "--device", "cpu"]
    result = run(*words, "--out", "out", "--min-presence", "0", "--save", "sheet")
    assert result.exit_code == 0, result.output
    (line,) = (folder / "out" / "manifest.jsonl").read_text().splitlines()
    presence = json.loads(line)["presence"]
    assert 0 <= presence < 1
    assert f"presence {presence:.3f}" in (folder / "out" / "sheet.html").read_text()
    again = run(*words, "--out", "out", "--min-presence", "0")
    assert "1 photo skipped" in again.output
    sure = run(*words, "--out", "out", "--min-presence", "1")  # another question: asked anew
    assert sure.exit_code == 0, sure.output
    assert "of 1 photo" in sure.output
    with Image.open(folder / "out" / "c.png") as mask:
        assert not np.array(mask).any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--also", "a.jpg"], "PICTURE:MASK"),
        (["--not", "gone.jpg:a.png"], "PICTURE:MASK"),
        (["--also", "a.jpg:gone.png"], "gone.png cannot be read"),
        (["--min-presence", "1.5"], "a probability, 0..1; got 1.5"),
        (["--min-presence", "0.5"], "would do nothing"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    folder: Path, tiny_sam_folder: Path, words: list[str], said: str
) -> None:
    shown = ["learn", "a.jpg", "--mask", "a.png", "--out", "dog.safetensors"]
    result = run(*shown, "--model", tiny_sam_folder, *words)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert not (folder / "dog.safetensors").exists()


def test_a_concept_has_settled_what_is_shown(folder: Path, tiny_sam_folder: Path) -> None:
    out = ["--out", "dog.safetensors", "--model", tiny_sam_folder, "--device", "cpu"]
    assert run("learn", "a.jpg", "--mask", "a.png", *out).exit_code == 0
    found = run("segment", "a.jpg", "--concept", "dog.safetensors", "--out", "o", "--not", "a:b")
    assert found.exit_code == 2
    assert "--not would do nothing" in " ".join(found.output.split())


def test_every_command_that_takes_a_mask_takes_what_the_errors_about_masks_advise() -> None:
    advised = {"label", "mask_orientation", "as_given"}
    group = typer.main.get_command(app).commands  # pyright: ignore
    commands = group | group["dreambooth"].commands
    options = {name: {option.name for option in one.params} for name, one in commands.items()}
    with_mask = {name: found for name, found in options.items() if "mask" in found}
    assert set(with_mask) == {"segment", "learn", "explain", "track", "prepare"}
    assert all(advised <= found for found in with_mask.values())
    assert all("mask_orientation" in options[name] for name in ("doctor", "correct"))


def test_what_is_said_of_the_first_mask_goes_for_the_others(folder: Path) -> None:
    first = ReferenceArgs(Path("a.jpg"), Path("a.png"), mask_orientation="stored", as_given=True)
    both = Examples.of(first, ["b:2.jpg:b:2.png", "b:2.jpg:30,20"], None).references[1:]
    assert [one.mask_orientation for one in both] == ["stored", "ask"]
    assert all(one.as_given for one in both)
