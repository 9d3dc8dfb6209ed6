"""Gather the pages of the documentation site: ``python tools/site_pages.py`` fills site-pages/.

Guides are those of docs/; a link to a file that is no page becomes that file's path. The reference
of the commands is made of their own help, that of Python of the public names.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.testing import CliRunner

import persam
from persam.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "site-pages"
TITLES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
}


def main() -> None:
    """Write all pages, over those of an earlier call."""
    if PAGES.exists():
        shutil.rmtree(PAGES)
    PAGES.mkdir()
    for source, target in _sources().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (PAGES / target).write_text(_relinked(text, Path(source)), encoding="utf-8")
    (PAGES / "commands.md").write_text(commands(), encoding="utf-8")
    (PAGES / "python.md").write_text(python(), encoding="utf-8")
    typer.echo(f"{len(list(PAGES.glob('*.md')))} pages in {PAGES.name}/")


def commands() -> str:
    """Every command with its help, as the command line prints it."""
    parts = ["# Commands\n"]
    for name in sorted(names(typer.main.get_command(app))):
        shown = CliRunner().invoke(
            app, [*name.split(), "--help"], env={"COLUMNS": "100", "NO_COLOR": "1"}
        )
        parts.append(f"## persam {name}\n\n```text\n{shown.output.strip()}\n```\n")
    return "\n".join(parts)


def names(group: Any, before: str = "") -> Iterator[str]:
    """All commands of a group and of the groups in it, ``train pocket`` and the like."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from names(command, f"{before}{name} ")
        else:
            yield before + name


def python() -> str:
    """Every public name, documented by its docstring."""
    names = [name for name in persam.__all__ if not name.startswith("_")]
    listed = "\n\n".join(f"::: {persam._HOMES[name]}.{name}" for name in names)
    return f"# Python\n\nAll names of `import persam`.\n\n{listed}\n"


def _sources() -> dict[str, str]:
    guides = {f"docs/{path.name}": path.name for path in sorted((ROOT / "docs").glob("*.md"))}
    return {**TITLES, **guides}


def _relinked(text: str, source: Path) -> str:
    """Send links to other pages of the site there; of files that are no pages the path stays."""
    pages = _sources()

    def replace(found: re.Match[str]) -> str:
        mark, words, link = found.groups()
        target, _, anchor = link.partition("#")
        place = (ROOT / source.parent / target).resolve()
        if not target or "://" in link or not place.is_relative_to(ROOT):
            return found[0]
        inside = place.relative_to(ROOT).as_posix()
        if inside in pages:
            return f"{mark}[{words}]({pages[inside]}{'#' * bool(anchor)}{anchor})"
        return words if mark else f"{words} (`{inside}`)"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", replace, text)


if __name__ == "__main__":
    typer.run(main)
