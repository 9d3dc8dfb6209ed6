"""The commands and the code of docs/engines.md, run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persam import samples
from persam.cli import app
from persam.models.runtime.choice import missing

PAGE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_the_commands_say_what_stands_there(tmp_path, monkeypatch):
    if absent := missing("openvino"):
        pytest.skip(f"this page needs {absent}: pip install persam[openvino]")
    samples.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```\n(\$.*?)```", PAGE, re.DOTALL)
    lines = block.splitlines()
    assert len(lines) == 4
    for command, told in zip(lines[::2], lines[1::2], strict=True):
        done = CliRunner().invoke(app, shlex.split(command)[2:])
        assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
        said, wanted = (
            re.sub(r"[\d.]+ MB", "# MB", " ".join(t.split())) for t in (done.output, told)
        )
        assert said == wanted


def test_the_python_works(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})  # noqa: S102 - the page's own code
    assert capsys.readouterr().out == "torch fp32\n"
