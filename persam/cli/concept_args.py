"""A concept file, as commands take it, and what it has settled."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.concept import Concept

# Options that a concept file has settled already.
LEARNING = (
    *("mask", "box", "point", "also", "not_"),
    *("method", "match_with", "plugin", "stable", "variant", "without", "alpha"),
)


def stored_concept(path: Path, model: str | None, **place: str) -> Concept:
    """Load a concept and its model.

    Args:
        path: what ``persam learn`` wrote.
        model: as ``--model`` takes it; None takes the one that the file names.
        place: ``device``, ``precision`` and ``engine``, as the options take them.

    Raises:
        InputError: no such file, not a concept, or learnt with another model.
    """
    return stored_concepts({"": path}, model, **place)[""]


def stored_concepts(
    named: Mapping[str, Path], model: str | None, **place: str
) -> dict[str, Concept]:
    """Load concepts by name, with one model for all.

    Args:
        named: what ``persam learn`` wrote, at least one.
        model: as ``--model`` takes it; None takes the one that the first file names.
        place: ``device``, ``precision`` and ``engine``, as the options take them.

    Raises:
        InputError: no such file, not a concept, or learnt with another model.
    """
    from persam.concept import Concept
    from persam.io.concept_file import concept_model
    from persam.models.loading import load

    name = concept_model(next(iter(named.values()))) if model is None else model
    backbone = load(name, **place)
    return {name: Concept.load(path, backbone) for name, path in named.items()}


def digest(words: str, files: Sequence[Path]) -> str:
    """A name for what is looked for: the words of the command, and the contents of its files."""
    mixed = hashlib.sha256(words.encode())
    for path in files:
        mixed.update(path.read_bytes())
    return mixed.hexdigest()
