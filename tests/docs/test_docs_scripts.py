"""docs/scripts.md: its blocks run, what it lists takes ``on_progress``, and nothing else does."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import re
from pathlib import Path

import layouts
import pytest

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import evaluate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")
LISTED = re.findall(r"`(persam\.[\w.]+)`", PAGE.split("| function |")[1].split("\n\n")[0])
FUNCTIONS = [name for name in LISTED if name.rpartition(".")[2].islower()]


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.INFO, logger="persam")
    return caplog


@pytest.fixture
def logging_as_before(monkeypatch):
    """Loggers remember what their parents let through; only setLevel makes them forget it."""
    log, root = logging.getLogger("persam"), logging.getLogger()
    level = log.level
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    yield
    log.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(code, "docs/scripts.md", "exec"), names)  # noqa: S102  (the page's own)
    assert len(list((tmp_path / "masks").glob("*.png"))) == 3


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_the_page_lists_takes_on_progress(name):
    module, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(module), function)
    assert inspect.signature(found).parameters["on_progress"].default is None


def test_there_is_one_name_for_it():
    names = {
        argument.arg
        for path in (ROOT / "persam").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg.startswith("on_") or argument.arg in ("callback", "progress", "report_to")
    }
    assert names == {"on_progress", "on_ready"}  # on_ready: of the page's server


def test_photos_of_an_album_are_told_and_logged(tmp_path, heard):
    photo, mask = persam.samples.files(persam.samples.PICTURES, 0)
    dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
    told = []
    persam.segment_album(dog, [photo], tmp_path / "out", told.append)
    assert [Path(record.input).name for record in told] == [photo.name]
    assert f"{photo}: {told[0].output}" in heard.messages


def test_photos_of_a_data_set_are_told_and_logged(tmp_path, tiny, heard):
    data = datasets.perseg(layouts.perseg(tmp_path, objects=("cat",)))
    told = []
    evaluate(persam.personalize, tiny("sam"), data, on_progress=lambda *one: told.append(one))
    assert told == [("cat", "01"), ("cat", "02")]
    assert [text.split(":")[0] for text in heard.messages] == ["cat/01", "cat/02"]
