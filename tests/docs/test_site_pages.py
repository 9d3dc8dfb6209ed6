"""The site's page of commands has every command, groups' own ones included."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import typer

from persam.cli import app

TOOL = Path(__file__).parents[2] / "tools" / "site_pages.py"


def test_every_command_is_on_the_page():
    spec = importlib.util.spec_from_file_location("site_pages", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    found = list(tool.names(typer.main.get_command(app)))
    assert len(set(found)) == len(found)
    every = {"segment", "evaluate stability", "train stable", "datasets check", "cluster segment"}
    assert every <= set(found)
    assert not {"train", "cluster", "dreambooth"} & set(found)  # of groups, their commands
