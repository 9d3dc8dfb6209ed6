"""What is wrong with a data set's folder is named in one go, through all folds and steps."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import layouts
import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.datasets import _OPENERS
from persam.evaluation.datasets.episodes import EpisodeOptions
from persam.evaluation.datasets.protocol import departures

ANNOTATIONS = "Annotations_Part_json_merged_part_classes"


def named(name: str, folder: Path) -> dict[str, list[str]]:
    """Names of what is wrong, by what is wrong with it."""
    found = datasets.check(name, folder)
    assert (found.dataset is None) == bool(found.problems)
    return {problem.what: list(problem.names) for problem in found.problems}


def test_pictures_of_two_folds(tmp_path):
    folder = layouts.pascal(tmp_path)
    gone = ["2008_an1", "2008_pe2", "2008_ve0"]
    for picture in gone:
        (folder / "JPEGImages" / f"{picture}.jpg").unlink()
    files = [f"JPEGImages/{picture}.jpg" for picture in gone]
    assert named("pascal-part", folder) == {"missing files": files}


def test_annotations_of_two_folds(tmp_path):
    folder = layouts.pascal(tmp_path)
    for picture in ("2008_an1", "2008_an2", "2008_in3"):
        (folder / ANNOTATIONS / f"{picture}.json").write_text("{}")
    (said,) = named("pascal-part", folder).values()
    assert [text.split(".json")[0][-8:] for text in said] == ["2008_an1", "2008_an2", "2008_in3"]


def test_splits_that_are_damaged_or_missing(tmp_path):
    folder = layouts.coco(tmp_path)
    for fold in (1, 3):
        (folder / "splits" / "val" / f"fold{fold}.pkl").write_text("no")
    file = next((folder / "val2014").iterdir())
    file.unlink()
    found = named("coco-20i", folder)
    first, second = found.pop("files that cannot be used")
    assert "fold1.pkl is not a pickle" in first
    assert "fold3.pkl is not a pickle" in second
    assert found == {"missing files": [f"val2014/{file.name}"]}
    for fold in (1, 3):
        (folder / "splits" / "val" / f"fold{fold}.pkl").unlink()
    (said,) = named("coco-20i", folder).values()
    assert said == ["splits/val/fold1.pkl", "splits/val/fold3.pkl"]


def test_a_class_folder_hides_no_mask(tmp_path):
    folder = layouts.fss(tmp_path, classes=("ant", "bee", "cow"))
    shutil.rmtree(folder / "data" / "ant")
    (folder / "data" / "bee" / "4.png").unlink()
    (folder / "data" / "cow" / "7.jpg").unlink()
    assert named("fss-1000", folder) == {
        "classes without a folder": ["ant"],
        "missing files": ["data/bee/4.png", "data/cow/7.jpg"],
    }


def test_everything_of_perseg(tmp_path):
    folder = layouts.perseg(tmp_path, objects=("ant", "bee", "cow", "dog"))
    (folder / "Images" / "ant" / "01.jpg").write_text("no")
    (folder / "Images" / "bee" / "02.jpg").unlink()
    for name in ("cow", "dog"):
        (folder / "Images" / name / "00.jpg").unlink()
        (folder / "Annotations" / name / "00.png").unlink()
    layouts.grey(folder / "Annotations" / "ant" / "02.png", np.ones((5, 6)))
    layouts.grey(folder / "Annotations" / "bee" / "01.png", np.zeros((12, 10)))
    found = named("perseg", folder)
    empty, unreadable = found.pop("files that cannot be used")
    assert "ant/01.jpg is not a picture of a format" in unreadable
    assert "bee/01.png is empty" in empty
    assert found == {
        "masks without a picture": ["02"],
        datasets.OTHER_SIZE: ["ant/02.png (5x6, not 12x10)"],
        "no photo 00 to take as reference (choose another reference index)": [
            "cow (has 01, 02)",
            "dog (has 01, 02)",
        ],
    }


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("perseg", ["Images", "Annotations"], ["Annotations", "Images"]),
        ("fss-1000", ["splits/test.txt"], ["splits/test.txt, one test class a line"]),
        ("lvis-92i", ["lvis_val.pkl", "coco"], ["coco", "lvis_val.pkl"]),
        ("paco-part", ["paco", "coco"], ["coco", "paco/paco_part_train.pkl", "paco/paco_part_val"]),
        ("pascal-part", ["all_obj_part_to_image.json"], ["all_obj_part_to_image.json"]),
        (
            "coco-20i",
            ["splits", "val2014"],
            ["splits/val/fold0.pkl", "splits/val/fold3", "val2014"],
        ),
    ],
)
def test_what_the_layout_needs(tmp_path, name, files, said):
    folder = layouts.EVERY[name](tmp_path)
    for file in files:
        path = folder / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (missing,) = named(name, folder).values()
    for one in said:
        assert any(text.startswith(one) for text in missing)


def test_both_damaged_lists_of_paco(tmp_path):
    folder = layouts.paco(tmp_path)
    for part in ("train", "val"):
        (folder / "paco" / f"paco_part_{part}.pkl").write_text("no")
    (said,) = named("paco-part", folder).values()
    assert [text.split(".pkl")[0].rpartition("_")[2] for text in said] == ["train", "val"]


def test_empty_masks_are_named_and_counted_where_the_protocol_counts_them(tmp_path):
    folder = layouts.fss(tmp_path)
    layouts.grey(folder / "data" / "abacus" / "3.png", np.zeros((layouts.HEIGHT, layouts.WIDTH)))
    found = datasets.check("fss-1000", folder)
    assert found.problems == ()
    assert found.empty == (str(folder / "data" / "abacus" / "3.jpg"),)


def test_the_folder_that_holds_perseg(tmp_path):
    layouts.perseg(tmp_path)
    assert len(datasets.perseg(tmp_path).subjects) == 2
    assert datasets.check("perseg", tmp_path).problems == ()


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_the_whole_protocol_is_its_classes_and_episodes(tmp_path, name):
    folder = layouts.LAYOUTS[name](tmp_path)
    entry = replace(datasets.find(name), folds=datasets.find(name).folds[:1])  # one is enough here

    def opened(like, options=None):
        return _OPENERS[name](like, folder, options or EpisodeOptions())

    found = opened(entry)
    # Of PACO's two classes a fold, one has a single picture: it is listed and not drawn from.
    listed = 2 if name == "paco-part" else found.settings["classes"]
    fitting = replace(entry, classes=listed, episodes=len(found.subjects))
    assert found.settings["full_protocol"] is False
    assert departures(name, found.settings)
    assert opened(fitting).settings["full_protocol"] is True
    for other in (replace(fitting, classes=listed + 1), replace(fitting, episodes=1)):
        assert opened(other).settings["full_protocol"] is False
    assert opened(fitting, EpisodeOptions(episodes=2)).settings["full_protocol"] is False


def test_forty_objects_are_the_whole_of_perseg(tmp_path):
    folder = layouts.perseg(tmp_path, objects=[f"thing_{n}" for n in range(40)], count=2)
    assert datasets.perseg(folder).settings["full_protocol"] is True
    for other in ({"reference_index": 1}, {"objects": ["thing_1"]}):
        assert datasets.perseg(folder, **other).settings["full_protocol"] is False


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("fss-1000", {"full_protocol": True, "classes": 240, "episodes": 2400}, []),
        ("paco-part", {"full_protocol": True, "classes": 303}, []),
        (
            "fss-1000",
            {"full_protocol": False, "folds": ["all"], "classes": 2, "episodes": 20},
            ["2 of 240 classes", "20 of 2,400 episodes"],
        ),
        (
            "lvis-92i",
            {"full_protocol": False, "folds": ["3"], "classes": 92, "episodes": 100},
            ["1 of 10 folds (3)", "100 of 2,300 episodes"],
        ),
        (
            "pascal-part",
            {"full_protocol": False, "folds": ["a", "b", "c", "d"], "classes": 56, "episodes": 8},
            ["8 episodes"],
        ),
        ("lvis-92i", {"full_protocol": False}, ["other episodes"]),
        ("coco-20i", {"full_protocol": True, "original_size": True}, ["at original size"]),
        ("my-own", {"full_protocol": False}, []),
    ],
)
def test_departures_from_the_protocol(name, settings, said):
    assert departures(name, settings) == said


def test_a_bad_option_is_no_missing_file(tmp_path):
    folder = layouts.fss(tmp_path)
    with pytest.raises(InputError, match="has 20 episodes here, not 21") as caught:
        datasets.open_dataset("fss-1000", folder, episodes=21)
    assert not isinstance(caught.value, datasets.IncompleteData)


def test_parts_without_annotations_are_all_told(tmp_path):
    folder = layouts.pascal(tmp_path)
    for picture in ("2008_an1", "2008_an3"):
        (folder / ANNOTATIONS / f"{picture}.json").write_text(json.dumps({"object": []}))
    with pytest.raises(InputError, match=r"an1.json has no dog.*an3.json has no dog"):
        datasets.open_dataset("pascal-part", folder)
