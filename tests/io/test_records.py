from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError
from persam.io.records import append_line, is_relative_name, parse, read_json, read_lines


@dataclass(frozen=True)
class Row:
    name: str
    size: float
    box: tuple[int, int] | None = None


def test_a_value_of_the_declared_type_comes_back() -> None:
    assert parse('{"name": "a", "size": 1, "box": [1, 2], "more": 0}', Row) == Row("a", 1.0, (1, 2))
    assert parse('{"name": "caf\\udce9", "size": 1}', Row).name == "caf\udce9"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        "null",
        '{"name": 3, "size": 1}',
        '{"name": "a", "size": "1"}',
        '{"name": "a", "size": true}',
        '{"name": "a", "size": NaN}',
        '{"name": "a", "size": 1e400}',
        '{"name": "a", "size": 1, "box": [1]}',
        '{"name": "a", "size": 1, "more": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"name": "a", "size": 1, "more": ' + "[" * 40 + "]" * 40 + "}",
        b'{"name": "\xff", "size": 1}',
        '{"size": ' + "9" * 5000 + "}",
    ],
)
def test_anything_else_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse(text, Row)


@given(st.text() | st.binary())
def test_no_text_ends_in_another_error(text: str | bytes) -> None:
    for kind in (Row, dict[str, Any], list[Row]):
        with suppress(ValueError):
            parse(text, kind)


def test_a_missing_file_is_none_and_a_strange_one_an_error(tmp_path: Path) -> None:
    assert read_json(tmp_path / "run.json", Row, "is no row.") is None
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match=r"run\.json is no row\. \(Expected"):
        read_json(tmp_path / "run.json", Row, "is no row.")
    with pytest.raises(InputError, match="Is a directory"):
        read_json(tmp_path, Row, "is no row.")


def test_a_broken_last_line_is_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for number in range(3):
        append_line(path, json.dumps(number))
    path.write_text(path.read_text() + '{"half')
    assert read_lines(path, lambda line: parse(line, int)) == [0, 1, 2]
    path.write_text('0\n{"half\n1\n')
    with pytest.raises(InputError, match="Line 2 of"):
        read_lines(path, lambda line: parse(line, int))
    path.write_text("\ufeff0\n1\n", encoding="utf-8")  # as an editor saved it
    assert read_lines(path, lambda line: parse(line, int)) == [0, 1]
    assert read_lines(tmp_path / "none", lambda line: parse(line, int)) == []


@given(st.text(st.sampled_from("a./\\\x00:"), max_size=8))
def test_a_relative_name_never_leads_out_of_its_folder(name: str) -> None:
    if is_relative_name(name):
        folder = Path("/nowhere/folder")
        assert ".." not in Path(name).parts
        assert (folder / name).is_relative_to(folder)
        assert (folder / name) != folder
