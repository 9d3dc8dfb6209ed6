"""The commands of docs/many.md, run as they stand, say what stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persam import samples
from persam.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "many.md"


def _parts(line: str) -> tuple[str, list[float]]:
    """A line without its fractions, and these as shares of 1."""
    found = re.findall(r"(\d+\.\d+)(%?)", line)
    words = re.sub(r"\d+\.\d+", "#", " ".join(line.split()))
    return words, [float(number) / (100 if percent else 1) for number, percent in found]


def _says(said: list[str], line: str) -> bool:
    """Whether a line was said, with fractions that machines may round a little differently."""
    words, numbers = _parts(line)
    every = (numbers_ for words_, numbers_ in map(_parts, said) if words_ == words)
    return any(numbers == pytest.approx(others, abs=0.02) for others in every)


def test_the_commands_say_what_stands_there(tmp_path, monkeypatch):
    samples.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("corrected").mkdir()
    for number in (4, 6):
        shutil.copy(samples.files(tmp_path, number)[1], "corrected")
    page = PAGE.read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"```\n(\$.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    said: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            done = CliRunner().invoke(app, shlex.split(line)[2:])
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
            said = done.output.splitlines()
        else:
            assert _says(said, line), (line, said)
    assert sum(line.startswith("$ ") for line in lines) == 10
