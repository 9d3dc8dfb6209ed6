from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persam.cli import app

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(*words: object):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_reports_become_a_table(tmp_path):
    out = tmp_path / "tables" / "perseg.md"
    reports = [BENCHMARKS / f"pocket-{name}-default.json" for name in ("persam", "persam-f")]
    done = run(*reports, "--out", out)
    assert done.exit_code == 0, done.output
    assert out.read_text() == done.stdout
    assert done.stdout.startswith("## perseg\n\n| method |")
    assert "| persam, pocket | pocket |" in done.stdout
    assert "| persam-f, pocket | pocket |" in done.stdout
    assert "| SegGPT |" in done.stdout


def test_what_is_no_report(tmp_path):
    done = run(BENCHMARKS / "variants.json")
    assert done.exit_code == 2
    assert "it is no report of `persam evaluate --json`" in done.output
    assert run().exit_code == 2


def test_plots_stand_beside_the_table(tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'persam[plots]'")
    reports = [BENCHMARKS / f"pocket-{name}-default.json" for name in ("persam", "persam-f")]
    done = run(*reports, "--plots", tmp_path / "plots")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "plots").glob("*.svg")}
    assert names == {"perseg.svg", "perseg-objects-1.svg"}
    bars = (tmp_path / "plots" / "perseg.svg").read_text(encoding="utf-8")
    objects = (tmp_path / "plots" / "perseg-objects-1.svg").read_text(encoding="utf-8")
    assert "SegGPT" in bars  # as comments beside the outlines of the letters
    assert "persam-f, pocket" in bars
    assert objects.count("<use ") >= 48  # a mark an object


def test_plots_without_matplotlib_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run(BENCHMARKS / "pocket-persam-default.json", "--plots", tmp_path)
    assert done.exit_code == 2
    assert "pip install 'persam[plots]'" in done.output
