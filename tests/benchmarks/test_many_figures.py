"""`benchmarks/presence.py` and `references.py`, on a tiny model with random weights."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from drawings import HEIGHT, WIDTH, write
from typer.testing import CliRunner

from persam.structures import Calibration

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COLOURS = {
    "dog_1": (250, 0, 0),
    "dog_2": (250, 60, 0),
    "mug_1": (0, 0, 250),
    "mug_2": (0, 60, 250),
}


def load(name: str, monkeypatch):
    spec = importlib.util.spec_from_file_location(f"many_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, f"many_{name}", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def presence(monkeypatch):
    return load("presence", monkeypatch)


@pytest.fixture
def data(tmp_path):
    """Four objects of two kinds, five photos each, every one a little further right."""
    for row, (name, colour) in enumerate(COLOURS.items()):
        for number in range(5):
            truth = np.zeros((HEIGHT, WIDTH), dtype=bool)
            truth[4 * row : 4 * row + 12, 5 * number : 5 * number + 14] = True
            write(tmp_path, f"{name}/{number:02d}", truth, colour)
    return tmp_path


def run(module, monkeypatch, tiny, *words):
    monkeypatch.setattr(module.persam, "load", lambda name: tiny("pocket"))
    app = typer.Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(word) for word in words])


def trial(presence, likeness: float, *, present: bool, own: float | None = None):
    return presence.Trial("dog_1", "dog_1" if present else "mug_1", 1, likeness, own, None)


def test_a_calibration_is_fitted_to_what_it_was_drawn_from(presence):
    """Log-odds that rise with 30 a unit of likeness from 0.4 on give 0.4 and 30 back."""
    generator = torch.Generator().manual_seed(0)
    likeness = 0.1 + 0.6 * torch.rand(8000, generator=generator, dtype=torch.float64)
    chance = 1 / (1 + torch.exp(-30 * (likeness - 0.4)))
    there = torch.rand(8000, generator=generator, dtype=torch.float64) < chance
    found = [
        trial(presence, like, present=bool(yes))
        for like, yes in zip(likeness.tolist(), there.tolist(), strict=True)
    ]
    calibration, least = presence.fitted(found)
    assert calibration.middle == pytest.approx(0.4, abs=0.01)
    assert calibration.slope == pytest.approx(30, rel=0.1)
    assert presence.kept(found, calibration, least) >= 0.98
    assert presence.kept(found, calibration, least + 0.05) < 0.98


def test_a_middle_moves_towards_how_like_the_references_are(presence):
    calibration = Calibration(0.3, 20.0)
    moved = trial(presence, 0.4, present=True, own=0.5)
    assert moved.chance(calibration) == calibration.presence(0.4)
    assert moved.chance(calibration, 0.5) == pytest.approx(0.5)  # the middle is 0.4 now
    assert trial(presence, 0.4, present=True).chance(calibration, 0.5) == moved.chance(calibration)


def test_figures_by_hand(presence):
    found = [trial(presence, x, present=True) for x in (0.9, 0.7)]
    found += [trial(presence, x, present=False) for x in (0.8, 0.1)]
    found.append(presence.Trial("dog_1", "dog_2", 1, 0.2, None, None))
    figures = presence.figures(found, lambda one: one.likeness, 0.75)
    assert (figures["present"], figures["absent"]) == (2, 3)
    assert figures["auc"] == pytest.approx(5 / 6)
    assert figures["auc_same_kind"] == 1.0
    assert figures["false_alarms_at_95"] == pytest.approx(1 / 3)
    assert (figures["kept"], figures["emptied"]) == (0.5, pytest.approx(2 / 3))


def test_presence_of_every_object(presence, monkeypatch, tiny, data):
    done = run(presence, monkeypatch, tiny, data, "--json", data / "presence.json")
    assert done.exit_code == 0, done.output
    report = json.loads((data / "presence.json").read_text())
    assert report["halves"] == {"fitting": 2, "reporting": 2, "all": 4}  # dogs; mugs
    rows = [(row["objects"], row["references"], row["by"]) for row in report["rows"]]
    assert len(rows) == len(set(rows)) == 3 * (1 + 3 + 3)
    single = next(row for row in report["rows"] if row["objects"] == "all")
    assert (single["present"], single["absent"]) == (4 * 4, 4 * 3)
    assert [row["warned"] for row in report["rivals"]] == [False, True]


@pytest.mark.parametrize("name", ["references", "corrections"])
def test_what_more_than_one_mask_is_worth(monkeypatch, tiny, data, name):
    module = load("references", monkeypatch)
    done = run(module, monkeypatch, tiny, data, "--only", name, "--json", data / "found.json")
    assert done.exit_code == 0, done.output
    report = json.loads((data / "found.json").read_text())
    rows = report["figures"][name]
    assert len(rows) == 6
    assert all(0 <= row["miou"] <= 100 for row in rows)
    assert re.findall(r"^## (\w+)", done.output, re.MULTILINE) == [name]


def test_an_unknown_figure(monkeypatch, tiny, data):
    done = run(load("references", monkeypatch), monkeypatch, tiny, data, "--only", "references2")
    assert done.exit_code == 2
    assert "no figure references2" in re.sub(r"[\s│]+", " ", done.output)
