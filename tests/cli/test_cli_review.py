from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import plush
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam.cli import app
from persam.io.labels import read_label_set


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def album(plush_concepts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and what was found in them."""
    folder = tmp_path_factory.mktemp("album")
    for number in range(4):
        plush.photo_in(folder / "photos", number)
    Image.new("RGB", (120, 90), (90, 120, 90)).save(folder / "photos" / "nothing.jpg")
    words = ("segment", "--concept", plush_concepts, folder / "photos", "--out", folder / "out")
    assert run(*words)[0] == 0
    return folder


@pytest.fixture
def out(album: Path, tmp_path: Path) -> Path:
    """The results, for one test alone."""
    return shutil.copytree(album / "out", tmp_path / "out")


def test_a_queue_in_the_order_of_doubt(plush_concepts: Path, out: Path):
    code, said = run("review", out, "--concept", plush_concepts, "--save", "label-studio,cvat")
    assert code == 0
    assert "All in the order of doubt" in said
    rows = list(csv.DictReader((out / "review.csv").read_text().splitlines()))
    assert {Path(row["photo"]).name for row in rows} == {"photo2.jpg", "photo3.jpg", "nothing.jpg"}
    doubts = [float(row["doubt"]) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    assert all(Path(row["mask"]).exists() for row in rows)
    assert "photo2.jpg" in (out / "review.html").read_text()

    tasks = json.loads((out / "labels" / "label-studio" / "tasks.json").read_text())
    scores = [task["predictions"][0]["score"] for task in tasks if "predictions" in task]
    by_photo = {Path(row["photo"]).name: float(row["doubt"]) for row in rows}
    assert sorted(scores) == pytest.approx(
        sorted(1 - by_photo[name] for name in ("photo2.jpg", "photo3.jpg")), abs=1e-3
    )
    found = read_label_set(out / "labels" / "cvat")
    said = {one.name: one.labels[0].attributes.get("doubt") for one in found.pictures if one.labels}
    assert float(said["photo2.jpg"]) == pytest.approx(by_photo["photo2.jpg"], abs=1e-3)


def test_again_over_its_own_files_but_nobody_elses(plush_concepts: Path, out: Path):
    assert run("review", out, "--concept", plush_concepts)[0] == 0
    assert run("review", out, "--concept", plush_concepts)[0] == 0
    with (out / "review.csv").open("a") as file:
        file.write("my note\n")
    code, said = run("review", out, "--concept", plush_concepts)
    assert (code, "made or changed by hand" in said) == (2, True)
    assert (out / "review.csv").read_text().endswith("my note\n")


def test_what_cannot_be_reviewed(plush_concepts: Path, album: Path, out: Path):
    code, said = run("review", album / "photos", "--concept", plush_concepts)
    assert (code, "has no manifest.jsonl" in said) == (2, True)
    code, said = run("review", out)
    assert (code, "--concept FILE" in said) == (2, True)
    code, said = run("review", out, "--concept", plush_concepts, "--save", "sheet")
    assert (code, "--save takes label formats here" in said) == (2, True)
