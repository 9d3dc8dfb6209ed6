"""Whether a concept's file says already what would be written.

Learning once more gives the same numbers but for rounding: a network's sums depend on the number of
threads and on the processor. What was found with a concept is known by its very numbers, so a file
that tells no other object keeps its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.concept_file import ARRAYS, read_concept

if TYPE_CHECKING:
    from persam.io.concept_file import StoredConcept

# Of the largest number in an array. One thread or two differ by 2e-6 in the built-in model; another
# mask moves the mean over the object's cells by far more, or takes other cells.
ROUNDING = 1e-5


def says_the_same(path: str | Path, concept: StoredConcept) -> bool:
    """Whether there is a readable concept at ``path`` that differs in rounding at most."""
    if not Path(path).is_file():
        return False
    try:
        known = read_concept(path)
    except InputError:
        return False
    return _words(known) == _words(concept) and all(map(_close, _arrays(known), _arrays(concept)))


def _words(concept: StoredConcept) -> tuple[object, ...]:
    facts = [[dict(one.facts) for one in s] for s in (concept.references, concept.negatives)]
    return (
        concept.model,
        concept.method,
        concept.variant,
        concept.weights,
        concept.calibration,
        facts,
    )


def _arrays(concept: StoredConcept) -> list[np.ndarray]:
    taught = (*concept.references, *concept.negatives)
    return [one.arrays[name] for one in taught for name in ARRAYS]


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    return one.size == 0 or float(np.abs(one - other).max()) <= ROUNDING * np.abs(one).max()
