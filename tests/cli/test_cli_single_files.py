"""A file that a command's --out or --json names is not replaced unless that is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.cli.evaluate_args import refuse_other_report
from persam.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

REPORT = {"version": "0.1.0", "environment": {}, "settings": {}}


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "notes.html"
    path.write_bytes(b"a person's")
    return path


@pytest.mark.parametrize("command", ["find", "explain", "report"])
def test_a_file_that_is_there_is_not_replaced(tmp_path, theirs, plush_concepts, command) -> None:
    photo, mask = samples.files(samples.PICTURES, 0)
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    words = {
        "find": ("find", photo, "--concept", plush_concepts, "--out", theirs),
        "explain": ("explain", photo, "--reference", photo, "--mask", mask, "--out", theirs),
        "report": ("report", report, "--out", theirs),
    }[command]
    done = run(*words)
    assert done.exit_code == 2
    assert "is there already and would be replaced" in done.output
    assert "--overwrite" in done.output
    assert theirs.read_bytes() == b"a person's"


def test_it_is_replaced_where_that_is_said(theirs) -> None:
    photo, mask = samples.files(samples.PICTURES, 0)
    done = run(
        "explain", photo, "--reference", photo, "--mask", mask, "--out", theirs, "--overwrite"
    )
    assert done.exit_code == 0, done.output
    assert theirs.read_bytes().startswith(b"<!doctype html>")


def test_what_is_read_is_not_written_over(tmp_path) -> None:
    photo, mask = samples.files(samples.PICTURES, 0)
    own = tmp_path / "photo.png"
    own.write_bytes(photo.read_bytes())
    words = ("explain", own, "--reference", photo, "--mask", mask, "--out", own, "--overwrite")
    done = run(*words)
    assert done.exit_code == 2
    assert own.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("text", ["a person's", "[1]", '{"mine": 1}', "{" * 9999])
def test_json_replaces_reports_alone(tmp_path, text) -> None:
    path = tmp_path / "report.json"
    refuse_other_report(None)
    refuse_other_report(path)
    path.write_text(json.dumps(REPORT))
    refuse_other_report(path)
    path.write_text(text)
    with pytest.raises(InputError, match="would be replaced, and is no report"):
        refuse_other_report(path)


@pytest.mark.parametrize("words", [("evaluate", "perseg"), ("ablate",), ("evaluate", "stability")])
def test_that_is_said_before_anything_is_measured(tmp_path, words) -> None:
    path = tmp_path / "report.json"
    path.write_text("mine")
    done = run(*words, tmp_path / "no data", "--json", path)
    assert done.exit_code == 2
    assert "is no report" in done.output
    assert path.read_text() == "mine"


@pytest.mark.parametrize("command", ["convert", "export"])
def test_a_new_folder_is_new(tmp_path, theirs, command) -> None:
    words = {"convert": ("convert", tmp_path, "--to", "coco"), "export": ("export",)}[command]
    for out in (theirs, tmp_path):
        done = run(*words, "--out", out)
        assert done.exit_code == 2, done.output
        assert "is not empty, or no folder" in done.output
    assert theirs.read_bytes() == b"a person's"


def test_samples_leave_what_is_another_file(tmp_path) -> None:
    samples.copy(tmp_path)
    samples.copy(tmp_path)
    photo, mask = samples.files(tmp_path, 0)
    photo.write_bytes(b"a person's")
    mask.unlink()
    with pytest.raises(InputError, match="is there already and no sample"):
        samples.copy(tmp_path)
    assert photo.read_bytes() == b"a person's"
    assert not mask.exists()
