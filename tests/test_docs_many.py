"""The commands of docs/many.md, run as they stand, say what stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from typer.testing import CliRunner

from persam import samples
from persam.cli import app

PAGE = Path(__file__).parent.parent / "docs" / "many.md"


def _plain(line: str) -> str:
    """A line without the digits of fractions, which machines round differently."""
    return re.sub(r"\d+\.\d+", "#", " ".join(line.split()))


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
    said: set[str] = set()
    for line in lines:
        if line.startswith("$ "):
            done = CliRunner().invoke(app, shlex.split(line)[2:])
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
            said = set(map(_plain, done.output.splitlines()))
        else:
            assert _plain(line) in said, line
    assert sum(line.startswith("$ ") for line in lines) == 10
