"""A picture's cells in a few kilobytes: the most typical ones, each in a few dozen bytes.

Product quantisation of principal components (Jégou and others, 2011): cells are brought to the few
axes along which they differ most, these are cut into groups, and each group of a cell becomes the
number of the nearest of 256 examples. Axes and examples are learnt from an album's own first
photos, so that any model's features do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persam.structures import unit_length

CELLS = 96  # of a picture
GROUP = 4  # axes that share a byte
_AXES = 256  # of them 64 bytes a cell
_CODES = 256
_ROUNDS = 6  # of k-means; more change nothing that counts
_ROUNDS_OF_CELLS = 3
_MOST = 16_384  # cells that examples are learnt from


def typical_cells(vectors: np.ndarray, count: int = CELLS) -> np.ndarray:
    """Few vectors that stand for many: the middles of groups that are alike.

    Args:
        vectors: ``(m, d)`` unit vectors of a picture's cells, row by row.
        count: how many at most.

    Returns:
        ``(n, d)`` unit vectors, n at most ``count``.
    """
    if len(vectors) <= count:
        return vectors
    # Begun with cells from all over the picture, the same ones every time.
    middles = vectors[np.linspace(0, len(vectors) - 1, count).astype(np.int64)]
    for _ in range(_ROUNDS_OF_CELLS):
        sums, _ = _sums(vectors, (vectors @ middles.T).argmax(axis=1), count)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        middles = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), middles)
    return middles.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Axes, and examples of each group of them.

    Attributes:
        axes: ``(d, r)`` float32, at right angles and of length 1.
        examples: ``(groups, codes, GROUP)`` float32.
    """

    axes: np.ndarray
    examples: np.ndarray

    @classmethod
    def learn(cls, vectors: np.ndarray) -> Codebook:
        """Learn from ``(m, d)`` vectors, the same from the same vectors."""
        chance = np.random.default_rng(0)
        chosen = vectors[chance.permutation(len(vectors))[:_MOST]]
        axes = _principal_axes(chosen)
        groups = _grouped(chosen @ axes)
        return cls(axes, np.stack([_examples(group, chance) for group in groups]))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """``(n, r)`` unit vectors along the axes, to compare with decoded ones, of ``(n, d)``."""
        return unit_length(vectors @ self.axes)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """``(n, groups)`` uint8 codes of ``(n, d)`` vectors."""
        pairs = zip(_grouped(vectors @ self.axes), self.examples, strict=True)
        return np.stack([_nearest(*pair) for pair in pairs], axis=1).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """``(..., r)`` unit vectors along the axes, of ``(..., groups)`` codes."""
        found = self.examples[np.arange(len(self.examples)), codes]
        return unit_length(found.reshape(*codes.shape[:-1], -1)[..., : self.axes.shape[1]])


def _principal_axes(vectors: np.ndarray) -> np.ndarray:
    """``(d, r)`` axes along which ``(m, d)`` vectors are longest, r at most :data:`_AXES`.

    They are dealt out to the groups in turn, since a byte says as much of every group.
    """
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # the longest last
    kept = axes[:, ::-1][:, :_AXES]
    groups = -(-kept.shape[1] // GROUP)
    dealt = np.concatenate([np.arange(first, kept.shape[1], groups) for first in range(groups)])
    return np.ascontiguousarray(kept[:, dealt], dtype=np.float32)


def _grouped(vectors: np.ndarray) -> np.ndarray:
    """``(groups, m, GROUP)`` of ``(m, r)``, the last filled up with zeros."""
    missing = -vectors.shape[1] % GROUP
    filled = np.pad(vectors, ((0, 0), (0, missing)))
    return np.moveaxis(filled.reshape(len(vectors), -1, GROUP), 1, 0)


def _examples(group: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """``(codes, GROUP)`` middles of the ``(m, GROUP)`` parts of vectors."""
    count = min(_CODES, len(group))
    middles = group[chance.choice(len(group), count, replace=False)]
    for _ in range(_ROUNDS):
        sums, sizes = _sums(group, _nearest(group, middles), count)
        middles = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], middles)
    return middles.astype(np.float32)


def _nearest(parts: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Number of the nearest middle of each of ``(m, GROUP)`` parts."""
    return (parts @ middles.T - 0.5 * (middles * middles).sum(axis=1)).argmax(axis=1)


def _sums(vectors: np.ndarray, owners: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """``(count, d)`` sums of the vectors of each owner, and how many each has."""
    order = np.argsort(owners, kind="stable")
    sizes = np.bincount(owners, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    some = np.flatnonzero(sizes)
    sums[some] = np.add.reduceat(vectors[order], starts[some], axis=0)
    return sums, sizes
