from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.errors import InputError
from persam.evaluation.predictions import LOG, Predictions
from persam.evaluation.records import Finding, Learning, read_log, to_line
from persam.evaluation.run_file import RUN

names = st.text(min_size=1, max_size=12)
seconds = st.floats(0, 1e6)
learnings = st.builds(
    Learning,
    subject=names,
    seconds=seconds,
    parameters=st.integers(0, 10**9),
    weights=st.none() | st.tuples(*[st.floats(-2, 2)] * 3),
    facts=st.dictionaries(names, st.integers() | names),
    failed=st.none() | names,
)
findings = st.builds(
    Finding,
    subject=names,
    stem=names,
    seconds=seconds,
    point=st.none() | st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
)


@settings(deadline=None, max_examples=30)
@given(records=st.lists(learnings | findings, max_size=5))
def test_what_is_logged_is_read_again(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("log") / LOG
    path.write_text("".join(map(to_line, records)), encoding="utf-8")
    assert list(read_log(path)) == records


def test_a_record_means_that_its_mask_is_there(tmp_path):
    mask = np.eye(4, dtype=bool)
    predictions = Predictions.start(tmp_path / "out", {"model": "a"})
    assert not predictions.done("cat", "01")
    predictions.add(Finding("cat", "01", 0.5, (2, 2)), mask)
    assert predictions.done("cat", "01")
    assert np.array_equal(predictions.read("cat", "01", (4, 4)), mask)
    again = Predictions.start(tmp_path / "out", {"model": "a"})
    assert again.done("cat", "01")
    assert again.found == predictions.found
    again.path("cat", "01").unlink()
    assert not again.done("cat", "01")


def test_the_last_line_counts(tmp_path):
    predictions = Predictions.start(tmp_path, {})
    predictions.add(Learning("cat", failed="too small"))
    predictions.add(Learning("cat", seconds=2.0))
    assert Predictions.start(tmp_path, {}).learnt["cat"].seconds == 2.0
    assert Predictions.start(tmp_path, {}).failures == {}
    assert len((tmp_path / LOG).read_text().splitlines()) == 1


def test_settings_are_written_before_anything_else(tmp_path):
    Predictions.start(tmp_path / "out", {"model": "a", "size": (3, 4)})
    run = json.loads((tmp_path / "out" / RUN).read_text())
    assert run["settings"] == {"model": "a", "size": [3, 4]}
    assert run["version"]
    assert run["environment"]["torch"]
    Predictions.start(tmp_path / "out", {"model": "a", "size": (3, 4)})


def test_another_version_is_another_run(tmp_path):
    Predictions.start(tmp_path, {})
    run = json.loads((tmp_path / RUN).read_text())
    (tmp_path / RUN).write_text(json.dumps(run | {"version": "0.0.1"}))
    with pytest.raises(InputError, match=r"version was '0\.0\.1', now"):
        Predictions.start(tmp_path, {})
    assert Predictions.open(tmp_path, {}).run["version"] == "0.0.1"  # scoring it is fine


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "drawn_by_hand.png").touch()
    with pytest.raises(InputError, match=r"files of its own \(drawn_by_hand\.png\)"):
        Predictions.start(tmp_path, {})
    (tmp_path / "drawn_by_hand.png").unlink()
    Predictions.start(tmp_path, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": 1, "version": "1"}', "\x00"])
def test_a_strange_run_file_is_refused(tmp_path, text):
    (tmp_path / RUN).write_text(text)
    with pytest.raises(InputError, match="does not describe a persam run"):
        Predictions.start(tmp_path, {})


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"finding": {"subject": "a"}}', "1", "null"])
def test_a_strange_line_is_refused_unless_it_is_the_last(tmp_path, line):
    good = to_line(Finding("cat", "01", 0.5))
    (tmp_path / LOG).write_text(f"{good}{line}\n{good}")
    with pytest.raises(InputError, match="Line 2 of"):
        list(read_log(tmp_path / LOG))
    (tmp_path / LOG).write_text(f"{good}{line}")
    assert list(read_log(tmp_path / LOG)) == [Finding("cat", "01", 0.5)]


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    predictions = Predictions.start(tmp_path, {})
    predictions.add(Finding("cat", "01", 0.5), np.eye(4, dtype=bool))
    parts = [folder / ".persam-99-1.part" for folder in (tmp_path, tmp_path / "cat")]
    for part in parts:
        part.write_bytes(b"half a mask")
    Predictions.start(tmp_path, {})
    assert not any(part.exists() for part in parts)
    assert predictions.path("cat", "01").is_file()


def test_on_what_it_was_started_is_logged_once_each(tmp_path):
    def machine(device: str):
        Predictions.start(tmp_path, {"device": device})
        return json.loads((tmp_path / RUN).read_text())["environment"]

    assert machine("cpu")["device"] == "cpu"
    assert machine("cpu")["device"] == "cpu"
    assert [one["device"] for one in machine("cuda:0")] == ["cpu", "cuda:0"]
    assert len(machine("cpu")) == 2


def test_scoring_needs_a_folder_of_the_same_data(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        Predictions.open(tmp_path / "nowhere", {})
    Predictions.start(tmp_path / "out", {"dataset": "perseg", "model": "a"})
    with pytest.raises(InputError, match="dataset was 'perseg', now 'fss-1000'"):
        Predictions.open(tmp_path / "out", {"dataset": "fss-1000"})
