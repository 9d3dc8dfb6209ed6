"""docs/paper.md and ARCHITECTURE.md name files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
PLACES = re.findall(r"`(persam/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", PAPER)


def test_every_step_has_its_place():
    rows = [line for line in PAPER.splitlines() if line.startswith("| ")]
    steps = [line for line in rows if not line.startswith(("| in the paper", "| method", "| ---"))]
    assert len(steps) > 20
    assert all("`persam/" in line for line in steps)


@pytest.mark.parametrize(
    ("file", "names"), PLACES, ids=[f"{file} {names}" for file, names in PLACES]
)
def test_what_the_paper_page_names_exists(file, names):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(re.findall(r"`(\w+)`", names)) <= there


def test_files_of_the_architecture_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Where is", 1)[1]
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*\.py|(?:[\w]+/)+)`", text)
    assert len(named) > 15
    for name in named:
        places = (ROOT / name, ROOT / "persam" / name)
        assert any(place.exists() for place in places), name
