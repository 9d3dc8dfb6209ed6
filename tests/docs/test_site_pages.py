"""The site's page of commands has every command, groups' own ones included; named files exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import typer

from persam.cli import app

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "site_pages.py"


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


def test_every_file_that_a_page_names_is_there():
    named = re.compile(r"`((?:benchmarks|examples|notebooks|persam|tests|tools)/[\w/.-]+\.\w+)`")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    told = [page for page in pages if page.name != "CHANGELOG.md"]  # which tells of earlier files
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in told
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    }
    assert len(told) > 20
    assert missing == set()
