"""The commands of docs/speed.md on albums and the cache, run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from persam import samples
from persam.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "speed.md"


def test_the_commands_say_what_stands_there(tmp_path, monkeypatch):
    samples.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    sections = page[page.index("## Albums") :]
    blocks = re.findall(r"```\n(.*?)```", sections, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    said = ""
    for line in lines:
        if line.startswith("$ "):
            done = CliRunner().invoke(app, shlex.split(line)[2:])
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
            said = done.output
        else:
            assert line in said, line
    assert sum(line.startswith("$ ") for line in lines) == 5
    assert len(list(Path("kept").glob("*/*"))) == 2 * 7
