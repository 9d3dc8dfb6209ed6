"""The pages of the tools: commands that exist, links that lead somewhere, figures of the JSON."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from persam.cli import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "labels.md", *sorted((DOCS / "tools").glob("*.md"))]
TOOLS = [page for page in PAGES if page.parent.name == "tools"]


def commands(page: Path) -> list[str]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("persam ", "cvat-cli "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one_that_persam_takes(page: Path):
    group = get_command(app)
    assert len(commands(page)) == 5
    for line in commands(page):
        program, *words = shlex.split(line)
        if program != "persam":
            continue
        with group.make_context("persam", words[:0], resilient_parsing=True) as context:
            name, command, rest = group.resolve_command(context, words)
            command.make_context(name, list(rest), parent=context).close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert "://" in link or (page.parent / link).exists(), link


def test_there_is_a_page_a_tool():
    assert {page.stem for page in TOOLS} == {
        *("coco", "yolo", "labelme", "cvat", "label-studio", "voc", "supervisely"),
        *("fiftyone", "supervision", "comfyui"),
    }


def test_corrections_by_doubt_are_better_and_the_page_says_what_was_measured():
    path = DOCS.parent / "benchmarks" / "review.json"
    figures = json.loads(path.read_text())["miou_all_photos"]
    page = (DOCS / "labels.md").read_text(encoding="utf-8")
    for step, row in figures.items():
        assert f"| {step} | {row['by_doubt']:.3f} | {row['at_random']:.3f} |" in page
        assert row["by_doubt"] >= row["at_random"]


def test_the_page_says_what_the_story_on_real_photos_gave():
    figures = json.loads((DOCS.parent / "benchmarks" / "labels.json").read_text())
    page = (DOCS / "labels.md").read_text(encoding="utf-8")
    told = {name: one for name, one in figures.items() if isinstance(one, dict)}
    assert len(told) == 5
    for name, one in told.items():
        opened = one["opened"]
        assert opened["classes_and_ids_equal"]
        assert (one["photos"], opened["pictures"]) == (50, 55)
        found = f"{one['found']} | {one['miou']:.3f} | {one['found_where_it_is_not']}"
        assert f"| `{name}` | {opened['library']} {opened['version']} | {found} |" in page
