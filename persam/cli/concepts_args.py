"""Concept files on a command line: one, or several that look at every photo together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


ConceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--concept",
        metavar="[NAME=]FILE",
        help="Instead of a reference: a file from `persam learn`. May be given again: one indexed "
        "mask then shows all objects, in this order.",
    ),
]
InstancesOption = Annotated[
    bool,
    typer.Option(
        "--instances",
        help="Tell every instance of the object and of its look-alikes apart, in one indexed mask.",
    ),
]


@dataclass(frozen=True)
class ConceptArgs:
    """Concept files, as typed.

    Attributes:
        named: file of each object, by name.
        several: whether the answer is a label map of objects.
    """

    named: Mapping[str, Path]
    several: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> ConceptArgs:
        """Read ``FILE`` or ``NAME=FILE``; without a name the file's own, less its ending, is taken.

        Raises:
            InputError: two objects of one name.
        """
        pairs = [_pair(text) for text in texts]
        named = dict(pairs)
        if len(named) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                f"Two objects are called {twice!r}. Name them: --concept mine={dict(pairs)[twice]}."
            )
        return cls(named, several=len(pairs) > 1 or not Path(texts[0]).exists())

    @property
    def files(self) -> tuple[Path, ...]:
        """All concept files."""
        return tuple(self.named.values())


def _pair(text: str) -> tuple[str, Path]:
    name, mark, file = text.partition("=")
    if name and mark and file and not Path(text).exists():
        return name, Path(file)
    return Path(text).stem, Path(text)
