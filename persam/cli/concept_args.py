"""Concept files on a command line: one, or several that are looked for together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.errors import InputError
from persam.io.special_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.concept import Concept

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
# Options that a concept file has settled already.
LEARNING = (
    *("mask", "box", "point", "not_point", "label", "mask_orientation", "as_given"),
    *("also", "not_"),
    *("method", "match_with", "plugin", "stable", "variant", "without", "alpha"),
)


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
        from persam.io.concept_set import is_concept_set

        several = len(pairs) > 1 or not Path(texts[0]).exists()
        return cls(named, several or any(map(is_concept_set, named.values())))

    @property
    def files(self) -> tuple[Path, ...]:
        """All concept files."""
        return tuple(self.named.values())


def _pair(text: str) -> tuple[str, Path]:
    name, mark, file = text.partition("=")
    if name and mark and file and not Path(text).exists():
        return name, Path(file)
    return Path(text).stem, Path(text)


def stored_concept(path: Path, model: str | None, **place: str) -> Concept:
    """Load a concept and its model.

    Args:
        path: what ``persam learn`` wrote.
        model: as ``--model`` takes it; None takes the one that the file names.
        place: ``device``, ``precision`` and ``engine``, as the options take them.

    Raises:
        InputError: no such file, not a concept, several, or learnt with another model.
    """
    found = stored_concepts({"": path}, model, **place)
    if len(found) > 1:
        raise InputError(
            f"{path} holds {len(found)} objects ({', '.join(found)}), and one is wanted here. "
            f"Learn it alone: persam learn LABELS --class NAME."
        )
    return next(iter(found.values()))


def stored_concepts(
    named: Mapping[str, Path], model: str | None, **place: str
) -> dict[str, Concept]:
    """Load concepts by name, with one model for all.

    Args:
        named: what ``persam learn`` wrote, at least one; a set gives its own names.
        model: as ``--model`` takes it; None takes the one that the first file names.
        place: ``device``, ``precision`` and ``engine``, as the options take them.

    Raises:
        InputError: no such file, not a concept, or learnt with another model.
    """
    from persam.concept import Concept
    from persam.io.concept_set import separate_files
    from persam.models.loading import load
    from persam.models.stored_model import load_stored_model

    with separate_files(named) as files:
        first = next(iter(files.values()))
        backbone = load_stored_model(first, **place) if model is None else load(model, **place)
        return {name: Concept.load(path, backbone) for name, path in files.items()}


def digest(words: str, files: Sequence[Path]) -> str:
    """A name for what is looked for: the words of the command, and the contents of its files."""
    mixed = hashlib.sha256(words.encode())
    for path in files:
        mixed.update(read_bytes(path))
    return mixed.hexdigest()
