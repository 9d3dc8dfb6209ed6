"""persam find, doctor and correct: what they print, write, refuse and return."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from persam import samples
from persam.album.manifest import Manifest, Record, Stamp
from persam.album.pace import Pace, remember
from persam.cli import app
from persam.cli.correct_masks import corrections
from persam.concept import Concept
from persam.errors import InputError
from persam.io.writers import write_labels
from persam.models.loading import load


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def text(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a concept, two photos of its dog and one of a meadow."""
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("dog", "photos/playroom", "photos/table", "third")):
        image, mask = samples.files(samples.PICTURES, number)
        shutil.copy(image, tmp_path / f"{name}.jpg")
        shutil.copy(mask, tmp_path / f"{Path(name).name}.png")
    noise = np.random.default_rng(0).integers(0, 40, (120, 160, 3), dtype=np.uint8)
    green = noise + np.array([40, 150, 40], dtype=np.uint8)
    Image.fromarray(green).save(tmp_path / "photos" / "meadow.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("learnt") / "dog.safetensors"
    image, mask = samples.files(samples.PICTURES, 0)
    assert run("learn", image, "--mask", mask, "--out", path).exit_code == 0
    return path


@pytest.fixture
def concept(desk: Path, learnt: Path) -> str:
    shutil.copy(learnt, desk)
    return learnt.name


def test_finds_the_photos_that_have_the_object(concept: str) -> None:
    result = run("find", "--concept", concept, "photos", "--out", "found.jsonl")
    assert result.exit_code == 0, result.output
    assert "Found in 2 of 3 photos" in text(result)
    assert "photos/playroom.jpg" in result.output
    assert "meadow.png" not in result.output
    lines = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    assert [line["present"] for line in lines] == [True, True, False]
    assert lines[0]["presence"] >= lines[1]["presence"]
    assert Path(lines[2]["photo"]).name == "meadow.png"


def test_lines_for_scripts_and_a_threshold(concept: str) -> None:
    words = ("find", "--concept", concept, "photos", "--json")
    first, second, _ = map(json.loads, run(*words).output.splitlines())
    between = (first["presence"] + second["presence"]) / 2
    strict = run(*words, "--min-presence", between)
    assert strict.exit_code == 0
    found = [json.loads(line) for line in strict.output.splitlines()]
    assert [line["photo"] for line in found if line["present"]] == [first["photo"]]
    assert len(found) == 3


@pytest.mark.parametrize("out", ["photos/table.jpg", "dog.safetensors"])
def test_nothing_of_ones_own_is_written_over(concept: str, out: str) -> None:
    before = Path(out).read_bytes()
    result = run("find", "photos", "--concept", concept, "--out", out)
    assert result.exit_code == 2
    assert f"{out} would be written over your file" in text(result)
    assert Path(out).read_bytes() == before


def test_found_nowhere_is_code_1(concept: str) -> None:
    result = run("find", "--concept", concept, "photos/meadow.png")
    assert result.exit_code == 1
    assert "Found in 0 of 1 photo, not in 1" in text(result)


def test_a_photo_that_cannot_be_read_is_named(concept: str) -> None:
    Path("photos/broken.jpg").write_bytes(b"no picture")
    result = run("find", "--concept", concept, "photos", "--quiet")
    assert result.exit_code == 1
    assert text(result).startswith("photos/broken.jpg")
    assert len(result.output.splitlines()) == 1


def test_a_missing_concept_is_one_line_and_code_2() -> None:
    result = run("find", "--concept", "none.safetensors", "photos")
    assert result.exit_code == 2
    assert "none.safetensors" in text(result)
    assert "Traceback" not in result.output


REFERENCES = ("dog.jpg:dog.png", "photos/playroom.jpg:playroom.png")


def test_doctor_of_good_references_suggests_a_photo() -> None:
    result = run("doctor", *REFERENCES, "third.jpg:third.png", "--album", "photos")
    assert result.exit_code == 0, result.output
    assert "No reference is clearly worse" in text(result)
    # The other dog's photo: playroom is a reference, and the meadow has no dog.
    assert "Label next: photos/table.jpg" in text(result)


def test_doctor_names_the_inverted_mask() -> None:
    mask = 255 - np.asarray(Image.open("third.png"))
    Image.fromarray(mask).save("inverted.png")
    result = run("doctor", *REFERENCES, "third.jpg:inverted.png")
    assert result.exit_code == 1
    assert "third.jpg does not show what the others show" in text(result)


def test_doctor_of_two_says_that_it_cannot_tell() -> None:
    result = run("doctor", *REFERENCES)
    assert result.exit_code == 0
    assert "give a third" in text(result)


def test_doctor_looks_at_an_album_without_the_object() -> None:
    Path("photos/broken.jpg").write_bytes(b"no picture")
    album = ["--album", "photos/meadow.png", "--album", "photos/broken.jpg"]
    result = run("doctor", *REFERENCES, *album)
    assert result.exit_code == 1
    assert "none is worth a label" in text(result)
    assert "broken.jpg" in text(result)


def test_doctor_says_why_it_suggests_nothing() -> None:
    Path("broken.jpg").write_bytes(b"no picture")
    unreadable = run("doctor", *REFERENCES, "--album", "broken.jpg")
    assert unreadable.exit_code == 1
    assert "No photo of the album could be looked at" in text(unreadable)
    labelled = run("doctor", *REFERENCES, "--album", "dog.jpg")
    assert labelled.exit_code == 0
    assert "Every photo of the album is a reference already" in text(labelled)
    assert run("doctor", *REFERENCES, "--album", "photos", "--quiet").output == ""


def test_doctor_of_one() -> None:
    result = run("doctor", REFERENCES[0])
    assert result.exit_code == 2
    assert "at least two; got 1" in text(result)


@pytest.fixture
def masks(desk: Path) -> Path:
    folder = desk / "corrected"
    folder.mkdir()
    shutil.copy(desk / "table.png", folder / "table.png")
    return folder


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_corrects_a_concept(masks: Path, method: str) -> None:
    known = ["--mask", "dog.png", "--out", "dog.safetensors", "--method", method]
    assert run("learn", "dog.jpg", *known).exit_code == 0
    words = ["--masks", masks, "--out", "better.safetensors"]
    result = run("correct", "dog.safetensors", "photos", *words)
    assert result.exit_code == 0, result.output
    assert f"Took {masks / 'table.png'} for photos/table.jpg" in text(result)
    assert "2 references now" in text(result)
    pocket = load("pocket", device="cpu")
    better = Concept.load("better.safetensors", pocket)
    by_hand = Concept.load("dog.safetensors", pocket).correct(
        "photos/table.jpg", mask=masks / "table.png"
    )
    assert np.array_equal(better.features.target_feature, by_hand.features.target_feature)
    assert better.weights == pytest.approx(by_hand.weights)


def test_a_mask_of_another_size_is_refused_by_name(masks: Path, concept: str) -> None:
    shutil.copy(masks / "table.png", masks / "meadow.png")
    result = run("correct", concept, "photos", "--masks", masks, "--out", "better.safetensors")
    assert result.exit_code == 2
    assert "meadow.png is 640x480, but its picture is 160x120" in text(result)
    assert not Path("better.safetensors").exists()


def test_a_concept_file_is_asked_for(masks: Path, concept: str) -> None:
    result = run("correct", concept, "photos", "--masks", masks, "--out", "better.png")
    assert result.exit_code == 2
    assert "--out names a concept file" in text(result)


def test_pairs_follow_the_names_of_a_run(tmp_path: Path) -> None:
    photos = [Path("a/dog.jpg"), Path("b/dog.jpg"), Path("b/cat.jpg")]
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("cat.png", "b__dog.png"):
        (folder / name).touch()
    pairs = [(photos[1], folder / "b__dog.png"), (photos[2], folder / "cat.png")]
    assert corrections(photos, folder) == pairs


def test_a_run_knows_the_names_that_it_gave(tmp_path: Path) -> None:
    folder, out = tmp_path / "masks", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    shutil.copy("table.png", folder / "dog.png")
    stamp = Stamp("any", 1, 1)
    manifest = Manifest(out)
    for photo, stem in (("a/dog.jpg", "dog"), ("b/dog.jpg", "b__dog")):
        place = str(Path(photo).absolute())
        manifest.add(Record(place, f"{stem}.png", 0.5, None, (), seconds=1.0, stamp=stamp))
    with pytest.raises(InputError, match="no photo has the name of dog"):
        corrections([Path("b/dog.jpg")], folder, out)
    (pair,) = corrections([Path("a/dog.jpg"), Path("b/dog.jpg")], folder, out)
    assert pair == (Path("a/dog.jpg"), folder / "dog.png")
    with pytest.raises(InputError, match="`persam segment` did not write it"):
        corrections([Path("a/dog.jpg")], folder, tmp_path)


def test_a_label_map_of_several_objects_is_no_correction(masks: Path, concept: str) -> None:
    labels = np.zeros((480, 640), dtype=np.uint8)
    labels[100:300, 100:300], labels[300:, 300:] = 1, 8
    write_labels(masks / "table.png", labels)
    result = run("correct", concept, "photos", "--masks", masks, "--out", "better.safetensors")
    assert result.exit_code == 2
    assert "shows 2 objects, numbered 1, 8" in text(result)
    write_labels(masks / "table.png", labels * (labels == 8))  # one object is a mask
    result = run("correct", concept, "photos", "--masks", masks, "--out", "better.safetensors")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "it has no mask"),
        (["dog.png", "cot.png"], "no photo has the name of cot.png"),
        (["dog.png", "manifest.jsonl"], "holds the results of a run"),
    ],
)
def test_folders_that_are_no_corrections(tmp_path: Path, names: list[str], said: str) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    with pytest.raises(InputError, match=said):
        corrections([Path("dog.jpg")], folder)
    with pytest.raises(InputError, match="not a folder"):
        corrections([Path("dog.jpg")], folder / "none")


def test_a_cache_is_filled_once_and_kept_small(concept: str, desk: Path) -> None:
    words = ("find", "--concept", concept, "photos", "--json", "--cache", "kept")
    first = run(*words, "--batch", 2, "--jobs", 1)
    assert first.exit_code == 0, first.output
    kept = {path: path.stat().st_ino for path in Path("kept").rglob("*") if path.is_file()}
    assert len(kept) == 2 * 3
    again = run(*words, "--cache-size", "1GB")
    assert again.output == first.output
    assert kept == {path: path.stat().st_ino for path in Path("kept").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch", "many"), "--batch takes a whole number or auto; got 'many'"),
        (("--batch", "0"), "at least 1 photo"),
        (("--jobs", "-1"), "--jobs takes a whole number or auto"),
        (("--cache-size", "1GB"), "would do nothing without --cache"),
        (("--cache", "kept", "--cache-size", "huge"), "as 10GB; got 'huge'"),
    ],
)
def test_a_pace_that_is_none_is_refused(concept: str, words: tuple[str, ...], said: str) -> None:
    result = run("find", "--concept", concept, "photos", *words)
    assert result.exit_code == 2
    assert said in text(result)


def test_doctor_describes_the_machine() -> None:
    result = run("doctor", "--system")
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert f"torch {torch.__version__}" in text
    assert "pocket" in text
    # The suite sets both variables, and the report says that they decide.
    assert "engine for sam torch, fp32 (by PERSAM_ENGINE and PERSAM_PRECISION)" in text


def test_doctor_says_what_albums_have_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSAM_CACHE", str(tmp_path))
    remember("pocket, onnx", Pace(batch=2, jobs=1))
    output = "".join(run("doctor", "--system").output.split())
    assert "pocket,onnx:batch2,1threadsbesidethemodel" in output
    assert "pace.json" in output


def test_doctor_without_references_says_what_it_takes() -> None:
    result = run("doctor")
    assert result.exit_code == 2
    assert "two" in result.output
