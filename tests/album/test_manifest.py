from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.album.manifest import Manifest, Record, Stamp
from persam.errors import InputError

STAMP = Stamp("abc", 10, 1_700_000_000_000_000_001)


def _found(name: str = "/p/dog.jpg") -> Record:
    return Record(
        name, "dog.png", 0.5, (1, 2, 3, 4), ((5, 6, 1), (7, 8, 0)), seconds=0.1, stamp=STAMP
    )


@given(st.text(), st.text(st.characters(codec="utf-8")), st.floats(0, 1), st.booleans())
def test_lines_come_back_as_they_were(name: str, error: str, score: float, empty: bool) -> None:
    box = None if empty else (0, 0, 3, 4)
    found = Record(name, "x.png", score, box, (), seconds=1.0, stamp=STAMP)
    for record in (found, Record(name, error=error)):
        line = record.to_json()
        assert "\n" not in line
        assert Record.from_json(line) == record


def test_a_line_has_a_result_or_an_error_never_both() -> None:
    assert set(json.loads(Record("/a.jpg", error="damaged").to_json())) == {"input", "error"}
    expected = {
        *("input", "output", "score", "box", "points", "seconds", "stamp", "presence"),
        *("mask_sha256", "cutouts", "doubtful", "origin"),
    }
    assert set(json.loads(_found().to_json())) == expected


def test_added_lines_are_there_at_once_and_the_last_one_counts(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(Record("/p/dog.jpg", error="damaged"))
    manifest.add(_found())
    assert len(manifest.path.read_text().splitlines()) == 2
    assert Manifest(tmp_path).records == {"/p/dog.jpg": _found()}


def test_tidy_keeps_other_runs_and_orders_this_one(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for name in ("/b", "/a", "/earlier", "/b"):
        manifest.add(_found(name))
    manifest.tidy(["/a", "/b", "/never"])
    lines = manifest.path.read_text().splitlines()
    assert [json.loads(line)["input"] for line in lines] == ["/earlier", "/a", "/b"]


def test_a_name_that_leads_out_of_the_folder_is_no_mask(tmp_path: Path) -> None:
    for name in ("../../victim.png", "/etc/victim.png", "x" * 5000, "a\0.png"):
        line = replace(_found(), output=name).to_json()
        with pytest.raises(ValueError, match="neither an error nor a mask"):
            Record.from_json(line)


def test_another_programs_manifest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"index": 0}\n')
    with pytest.raises(InputError, match="is not the manifest of an album"):
        Manifest(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("")
    assert Manifest(tmp_path).records == {}


def test_a_broken_last_line_is_a_killed_run(tmp_path: Path) -> None:
    Manifest(tmp_path).add(_found())
    path = tmp_path / "manifest.jsonl"
    path.write_text(path.read_text() + '{"input": "/p/cat.jpg", "outp')
    assert list(Manifest(tmp_path).records) == ["/p/dog.jpg"]


@pytest.mark.parametrize("line", ["no json", "[1]", "{}", '{"input": "/a", "output": "/b"}', "3"])
def test_other_peoples_files_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "manifest.jsonl").write_text(f"{line}\n{_found().to_json()}\n")
    with pytest.raises(InputError, match="Line 1 of"):
        Manifest(tmp_path)
