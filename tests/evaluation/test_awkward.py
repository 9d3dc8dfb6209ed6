"""What stands about in real folders, on every layout."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam.cli import app
from persam.evaluation import datasets

ANNOTATIONS = "Annotations_Part_json_merged_part_classes"
# Of every layout, a file that holds a mask.
MASKS = {
    "perseg": "Annotations/cat/01.png",
    "fss-1000": "data/abacus/3.png",
    "lvis-92i": "lvis_val.pkl",
    "pascal-part": f"{ANNOTATIONS}/2008_an1.json",
    "paco-part": "paco/paco_part_val.pkl",
    "coco-20i": "annotations/val2014/COCO_val2014_000000000025.png",
    "pascal-5i": "SegmentationClassAug/2007_000061.png",
    "isaid-5i": "val/semantic_png/2007_000061_instance_color_RGB.png",
}


@pytest.fixture(params=layouts.EVERY)
def name(request):
    return request.param


def run(*words: object):
    return CliRunner().invoke(app, [*map(str, words)])


def drawn(name: str, folder: Path) -> list[tuple[str, ...]]:
    """What is shown and searched, by files' names."""
    episodes = None if name == "perseg" else 5
    dataset = datasets.open_dataset(name, folder, episodes=episodes)
    return [(one.name, *(photo.stem for photo in one.photos)) for one in dataset.subjects]


def test_hidden_files_everywhere(name, tmp_path):
    folder = layouts.EVERY[name](tmp_path)
    before = drawn(name, folder)
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        (place / ".DS_Store").write_bytes(b"x")
        (place / "._1.jpg").write_bytes(b"x")
        (place / "._1.png").write_bytes(b"x")
    assert drawn(name, folder) == before
    assert datasets.check(name, folder).problems == ()


def test_a_folder_with_the_references_number_in_its_name(name, tmp_path):
    plain = layouts.EVERY[name](tmp_path / "plain")
    (tmp_path / "run00").mkdir()
    awkward = layouts.EVERY[name](tmp_path / "run00")
    assert drawn(name, awkward) == drawn(name, plain)


def test_a_class_with_the_references_number_in_its_name(tmp_path):
    for name, make in (("perseg", layouts.perseg), ("fss-1000", layouts.fss)):
        dataset = datasets.open_dataset(name, make(tmp_path, ("mug00", "cat")))
        assert {subject.group for subject in dataset.subjects} == {"mug00", "cat"}


def test_a_hundred_pictures_in_a_folder(name, tmp_path):
    if name in ("perseg", "fss-1000"):
        folder = layouts.EVERY[name](tmp_path, ("cat",), 101)
        dataset = datasets.open_dataset(name, folder)
        found = [photo.stem for one in dataset.subjects for photo in one.targets]
        assert len(set(found)) == {"perseg": 100, "fss-1000": 101}[name]
        assert "100" in found  # is no reference, though its name holds 00
        assert {one.reference.stem for one in dataset.subjects} <= {"00", *map(str, range(1, 11))}
        return
    # The others go by lists: pictures that these do not name change nothing.
    folder = layouts.EVERY[name](tmp_path)
    before = drawn(name, folder)
    picture = datasets.open_dataset(name, folder, episodes=1).subjects[0].reference.files[0]
    for number in range(101):
        layouts.picture(picture.parent / f"{number:03d}.jpg")
    assert drawn(name, folder) == before


def test_a_missing_mask_is_named(name, tmp_path):
    folder = layouts.EVERY[name](tmp_path)
    (folder / MASKS[name]).unlink()
    done = run("datasets", "check", name, folder)
    assert done.exit_code == 1, done.output
    assert (Path(MASKS[name]).stem if name == "perseg" else MASKS[name]) in done.output
    assert "cat" in done.output or name != "perseg"


def test_a_mask_of_another_size_is_named(name, tmp_path):
    folder = layouts.EVERY[name](tmp_path)
    photo = datasets.open_dataset(name, folder).subjects[0].targets[0]
    # Of segments the picture, as it is they that say what size they belong to.
    file = photo.files[-1]
    with Image.open(file) as image:
        smaller = image.resize((6, 5), Image.Resampling.NEAREST)
    smaller.save(file)
    done = run("datasets", "check", name, folder)
    assert done.exit_code == 1, done.output
    assert datasets.OTHER_SIZE in done.output
    assert "5x6" in done.output
    assert file.stem in done.output


def test_predicted_and_scored_from_the_command_line(name, tmp_path, tiny_sam_folder):
    folder, out = layouts.EVERY[name](tmp_path), tmp_path / "out"
    few = [] if name == "perseg" else ["--episodes", 1]
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    words = ["evaluate", name, folder, *few, "--quiet"]
    model = ["--model", tiny_sam_folder, "--device", "cpu"]
    done = run(*words, *model, "--out", out, "--json", first)
    assert done.exit_code == 0, done.output
    report = json.loads(first.read_text())
    dataset = datasets.open_dataset(name, folder, episodes=few[1] if few else None)
    assert report["photos"] == dataset.photos
    assert report["missing"] == []
    for subject in dataset.subjects:
        for photo in subject.targets:
            found = np.asarray(Image.open(out / subject.name / f"{photo.stem}.png"))
            side = dataset.size
            assert found.shape == ((side, side) if side else photo.truth().shape)
    done = run(*words, "--score-only", out, "--json", again)
    assert done.exit_code == 0, done.output
    assert json.loads(again.read_text()) == report
