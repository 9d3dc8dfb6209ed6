"""What light.py takes out of other benchmarks' reports."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

from persam import samples

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("light_figures")


def test_only_models_of_official_sizes_are_held_against_the_plain_loop(figures):
    rows = [
        {"figure": f"{model}: {figures.LOOP}", "value": value}
        for model, value in (("pocket", 2.5), ("mobile", 4.1), ("vit-b", 4.2))
    ]
    found = list(figures.loops({"rows": rows}, "tuned allocator"))
    assert [(row.value, row.goal, row.met) for row in found] == [(4.1, 5, False), (4.2, 5, False)]
    assert [row.met for row in figures.loops({"rows": rows}, "as it comes")] == [None, None]


def test_several_objects_are_compared_with_one(figures):
    shown = {"one": {"times_the_first": 1.0}, "ten": {"times_the_first": 1.3}}
    report = {"objects": ["a"] * 10, "skipping the absent": shown, "peak megabytes": {"one": 9}}
    (row,) = figures.many(report, 1.4)
    assert (row.figure, row.met) == ("10 objects in one album over one", True)


def test_every_script_that_is_named_is_there(figures):
    every = list(figures.parts(samples.PICTURES, Path("video"), 4))
    assert len(every) == 9
    assert all((BENCHMARKS / part.words[0]).is_file() for part in every)


def test_a_program_that_fails_ends_the_run_with_its_words(figures, capsys):
    with pytest.raises(typer.Exit):
        figures.call([sys.executable, "-c", "raise SystemExit('no room')"])
    assert "no room" in capsys.readouterr().out


def test_the_size_of_a_folder_is_that_of_its_files(figures, tmp_path):
    before = figures.disk_use(tmp_path)
    (tmp_path / "file").write_bytes(b"x" * 40_000)
    assert 40_000 <= figures.disk_use(tmp_path) - before < 80_000
