from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from persam.errors import InputError
from persam.evaluation import published, tables
from persam.evaluation.datasets import CATALOGUE
from persam.variants import Variant

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def report(folder: Path, name: str = "mine.json", **changes) -> Path:
    facts = {
        "miou": 0.905,
        "biou": 0.5,
        "photos": 3,
        "parameters": 12288,
        "version": "1.2.3",
        "settings": {"dataset": "perseg", "data": "/far/away/photos", "model": "pocket"},
    }
    path = folder / name
    path.write_text(json.dumps(facts | changes))
    return path


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:]]


def test_own_rows_stand_among_the_published_ones(tmp_path):
    settings = {
        "dataset": "perseg",
        "data": "/far/away/photos",
        "model": "pocket",
        "method": "persam-f",
        "variant": asdict(Variant.named("pocket", "persam-f")),
    }
    text = tables.markdown([tables.read_report(report(tmp_path, settings=settings))])
    found = rows(text)
    assert text.startswith("## perseg\n\n| method | model | data | mIoU | boundary IoU |")
    own = [
        "persam-f, pocket",
        "pocket",
        "photos, 3 photos",
        "90.5",
        "50.0",
        "12,288",
        "mine.json, persam 1.2.3",
    ]
    assert found.count(own) == 1
    above, below = found[found.index(own) - 1], found[found.index(own) + 1]
    assert float(above[3]) >= 90.5 >= float(below[3])
    assert [
        "PerSAM-F",
        "SAM ViT-H",
        "as published",
        "95.3",
        "77.9",
        "2",
        "PerSAM paper, as summarised",
    ] in found


def test_one_table_a_data_set(tmp_path):
    paths = [
        report(tmp_path, f"{name}.json", fb_iou=0.25, settings={"dataset": name, "data": "x"})
        for name in ("coco-20i", "elsewhere")
    ]
    text = tables.markdown([tables.read_report(path) for path in paths])
    first, second = text.split("\n\n## ")
    assert "PerSAM-F" in first
    assert "25.0" in second
    assert "masks from elsewhere" in second
    assert len(second.split("\n\n")[1].strip().splitlines()) == 3  # no published row


def test_reports_of_the_first_version_are_read():
    lines = [tables.read_report(path) for path in BENCHMARKS.glob("pocket-persam*-*.json")]
    assert {line.cells["method"] for line in lines} == {
        "persam, pocket",
        "persam, official",
        "persam-f, pocket",
        "persam-f, official",
    }


def test_missing_predictions_are_told(tmp_path):
    line = tables.read_report(report(tmp_path, missing=["a/01", "a/02"]))
    assert line.cells["source"] == "mine.json, persam 1.2.3, 2 photos missing"
    assert line.cells["data"].endswith("†")


def test_rows_of_less_than_the_protocol_say_so_and_are_marked(tmp_path):
    part = {
        "dataset": "lvis-92i",
        "data": "/far/LVIS",
        "folds": ["0", "3"],
        "classes": 184,
        "episodes": 200,
        "full_protocol": False,
        "size": 518,
        "original_size": True,
    }
    whole = part | {
        "folds": [str(fold) for fold in range(10)],
        "classes": 920,
        "episodes": 23_000,
        "full_protocol": True,
        "original_size": False,
    }
    paths = [
        report(tmp_path, "part.json", settings=part, failed={"0-0001": "too small"}),
        report(tmp_path, "whole.json", settings=whole, miou=0.1),
    ]
    text = tables.markdown([tables.read_report(path) for path in paths])
    assert (
        "| LVIS, 3 photos, 2 of 10 folds (0, 3), 200 of 4,600 episodes, at original size, "
        "1 not learnt † |"
    ) in text
    assert "| LVIS, 3 photos |" in text
    assert text.rstrip().splitlines()[-1].startswith("† Not the whole protocol")
    alone = tables.markdown([tables.read_report(paths[1])])
    assert "†" not in alone


def test_another_set_in_persegs_layout_is_marked(tmp_path):
    few = {name: {} for name in ("cat", "dog")}
    line = tables.read_report(report(tmp_path, objects=few))
    assert line.cells["data"] == "photos, 3 photos, 2 of 40 objects †"
    more = {str(number): {} for number in range(48)}
    line = tables.read_report(report(tmp_path, objects=more))
    assert line.cells["data"] == "photos, 3 photos, 48 objects instead of 40 †"


def test_no_model_is_named_that_is_not_known():
    named = {row.method: row.model for row in published.published("perseg")}
    for method in ("prompt tuning", "adapter", "LoRA", "PerSAM with PDM features"):
        assert named[method] == ""
    assert published.REFERENCES["SegGPT", "filled box"] == 36.0
    assert {shown for _, shown in published.REFERENCES} == {"mask", "filled box"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miou", "is not JSON"),
        ('{"rows": []}', "has no miou, biou, photos, settings, version"),
        ("[]", "has no miou"),
        (
            '{"miou": "x", "biou": 1, "photos": 1, "settings": {}, "version": "1"}',
            "is a damaged report",
        ),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, text, said):
    path = tmp_path / "strange.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        tables.read_report(path)
    with pytest.raises(InputError, match="cannot be read"):
        tables.read_report(tmp_path / "nowhere.json")


def test_bars_do_not_break_a_table():
    assert tables.table([{"a": "x|y\nz"}], ["a"]).splitlines()[2] == "| x\\|y z |"


def test_published_rows_are_told_apart_and_belong_to_a_data_set():
    keys = [(row.dataset, row.method, row.model, row.source) for row in published.TABLES]
    assert len(set(keys)) == len(keys)
    assert {row.dataset for row in published.TABLES} <= {entry.name for entry in CATALOGUE}
    assert all(0 < row.miou < 100 and row.source for row in published.TABLES)
    steps = list(published.ABLATION.values())
    assert steps == sorted(steps)
    top = {row.method: row.miou for row in published.published("perseg") if row.biou}
    assert published.ABLATION["+ semantic prompt"] == top["PerSAM"]
    assert published.ABLATION["+ scale weights"] == top["PerSAM-F"]
