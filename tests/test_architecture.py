"""Imports go downwards through the rooms of ARCHITECTURE.md, without a circle, types included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import persam

ROOT = Path(persam.__file__).parent
LOOSE_FILES = 8  # at most, in the root of the package

# A room imports from the rooms before it. Files of the root are rooms of their own.
ORDER = [
    "errors",
    "structures",
    "variants",
    "geometry",
    "metrics",
    "io",
    "prediction",
    "runs",
    "models",
    "pipeline",
    "concept",
    "methods",
    "explanation",
    "album",
    "video",
    "dreambooth",
    "samples",
    "evaluation",
    "training",
    "app",
    "integrations",
    "weights",
    "cli",
]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"}


def _imports(path: Path) -> set[str]:
    """Modules of persam that a file names in an import, for types as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= names or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys() - {_module(path)}


GRAPH = {module: _imports(path) for module, path in MODULES.items()}


def _room(module: str) -> str:
    return module.split(".")[1]


def _circles() -> list[list[str]]:
    """Groups of files that import each other, by any way round."""
    reach = {module: _reachable(module) for module in GRAPH}
    groups = {
        tuple(sorted({module} | {other for other in reach[module] if module in reach[other]}))
        for module in GRAPH
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reachable(start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for module in GRAPH[waiting.pop()] - seen:
            seen.add(module)
            waiting.append(module)
    return seen


def test_every_room_has_its_place():
    assert {_room(module) for module in GRAPH} <= set(ORDER)


def test_the_root_is_not_a_heap():
    loose = [path for path in ROOT.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= LOOSE_FILES


def test_a_room_imports_only_from_the_rooms_before_it():
    wrong = [
        f"{module} imports {other}"
        for module, others in sorted(GRAPH.items())
        for other in sorted(others)
        if ORDER.index(_room(other)) > ORDER.index(_room(module))
    ]
    assert not wrong


def test_no_file_imports_itself_by_a_detour():
    assert not _circles()


def test_no_two_classes_have_one_name():
    names: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                names.setdefault(node.name, []).append(module)
    assert not {name: modules for name, modules in names.items() if len(modules) > 1}


def test_the_public_names_are_the_ones_that_exist():
    assert sorted(persam._HOMES) == sorted(set(persam.__all__) - {"__version__"})
    for name, home in persam._HOMES.items():
        assert getattr(persam, name) is getattr(import_module(home), name)


def _calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a method of that name in the package, with its file and line."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_no_picture_is_opened_but_of_stated_formats():
    """Pillow starts Ghostscript for a file that is EPS, whatever it is called."""
    opened = [
        (where, call) for where, call in _calls("open") if ast.unparse(call.func) == "Image.open"
    ]
    assert opened
    loose = [where for where, call in opened if "formats" not in {k.arg for k in call.keywords}]
    assert loose == []


def test_links_are_followed_by_what_takes_circles():
    """Path.resolve ends in a RuntimeError where links lead in a circle."""
    found = [where for where, call in _calls("resolve") if "__file__" not in ast.unparse(call)]
    # One has its own answer to a circle; the other follows a link of a cache of its own.
    assert {where.partition(":")[0] for where in found} <= {"app/photos.py", "models/hub.py"}
