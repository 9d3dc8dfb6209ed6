"""A file imports only from files above it in the order of ARCHITECTURE.md."""

from __future__ import annotations

import ast
from pathlib import Path

import persam

ROOT = Path(persam.__file__).parent
ORDER = [
    "errors",
    "structures",
    "variants",
    "picture_file",
    "images",
    "pairs",
    "palette",
    "formats",
    "geometry",
    "similarity",
    "prompts",
    "parts",
    "views",
    "presence",
    "guidance",
    "engines",
    "backbones",
    "refine",
    "locating",
    "instances",
    "reference",
    "concept_file",
    "concept",
    "objects",
    "methods",
    "draw",
    "sheet",
    "folders",
    "manifest",
    "searching",
    "ahead",
    "probe",
    "cache_file",
    "cache",
    "incoming",
    "looking",
    "output",
    "album",
    "search",
    "video",
    "dreambooth",
    "samples",
    "evaluation",
    "doctor",
    "training",
    "weights",
    "cli",
]


def _imports(path: Path) -> set[str]:
    """Top-level parts of persam that a file imports when it runs, not for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "persam":
                found |= {alias.name for alias in node.names if not alias.name.startswith("_")}
            elif node.module.startswith("persam."):
                found.add(node.module.split(".")[1])
    return found


def _files() -> list[tuple[str, Path]]:
    paths = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
    return [(path.relative_to(ROOT).with_suffix("").parts[0], path) for path in paths]


def test_every_part_has_its_place():
    assert {part for part, _ in _files()} == set(ORDER)


def test_a_file_imports_only_from_files_above_it():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for part, path in _files()
        for name in _imports(path)
        if name in ORDER and ORDER.index(name) > ORDER.index(part)
    ]
    assert not wrong


def test_the_public_names_are_the_ones_that_exist():
    assert sorted(persam._HOMES) == sorted(set(persam.__all__) - {"__version__"})
    for name in persam.__all__:
        assert getattr(persam, name) is not None
