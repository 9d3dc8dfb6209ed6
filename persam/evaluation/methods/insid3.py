"""INSID3 (CVPR 2026): one frozen encoder finds and outlines the object, without SAM.

1. *Debiasing*: the features of a picture without content are position alone; their main
   directions are projected out of all features before pictures are compared.
2. *Candidates*: patches like the object's mean, nearest to a patch of the object in the reference.
3. *Clustering*: the picture's own features, not debiased, are grouped by average linkage.
4. *Seed and aggregation*: the cluster most like the object is the seed; a cluster joins where its
   likeness to the object x its likeness to the seed x its share of candidates is high enough.

The authors' numbers are for DINOv3-L: 500 of its 1024 directions, at most as many as an encoder's
empty picture has; similarity 0.6 within a cluster; 0.2 to join.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from persam.errors import InputError
from persam.evaluation.methods.patches import (
    Answer,
    PatchConcept,
    Patches,
    ReferencePatches,
    read_reference,
)

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone

METHOD = "insid3"
SHARE = 500 / 1024  # of the channels that are taken for positional
_RANK = 1e-4  # singular values below this share of the largest are rounding, not position


@dataclass(frozen=True, eq=False)
class Insid3Options:
    """The numbers of INSID3.

    Attributes:
        similarity: mean cosine within a cluster of patches, at least.
        join: score from which a cluster belongs to the object.
        debias: project the positional directions out.
    """

    similarity: float = 0.6
    join: float = 0.2
    debias: bool = True

    def __post_init__(self) -> None:
        for name, number in (("similarity", self.similarity), ("join", self.join)):
            if not number > 0:
                raise InputError(f"{name}= is a number above 0; got {number!r}.")


def insid3(
    backbone: Backbone, image: Source, *, mask: Source, options: Insid3Options | None = None
) -> PatchConcept:
    """Learn an object as its patches; no decoder is asked.

    Args:
        backbone: what :func:`persam.load` gave; its matching features alone are used.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        options: None takes the authors' numbers.

    Raises:
        InputError: unreadable or unusable input, or thresholds of 0 or less.
    """
    options = options or Insid3Options()
    reference = read_reference(backbone, image, mask)
    basis = np.zeros((reference.patches.vectors.shape[1], 0), dtype=np.float32)
    if options.debias:
        side = backbone.square
        # Zero after normalising, as padding is: a picture of the encoder's mean colour.
        blank = np.broadcast_to(np.rint(backbone.mean).astype(np.uint8), (side, side, 3))
        basis = positional_basis(Patches.of(backbone.encode(np.ascontiguousarray(blank))).vectors)
    return PatchConcept(METHOD, backbone, reference, partial(_search, basis, options))


def positional_basis(vectors: np.ndarray) -> np.ndarray:
    """Main directions in which the patches of a picture without content differ.

    Args:
        vectors: ``(m, d)`` unit vectors of that picture.

    Returns:
        ``(d, s)`` orthonormal; s is at most ``SHARE`` of d, and 0 where all patches are alike.
    """
    spread = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(spread, full_matrices=False)
    largest = float(values[0]) if len(values) else 0.0
    real = np.count_nonzero(values > max(_RANK * largest, _RANK))
    return directions[: min(int(SHARE * vectors.shape[1]), real)].T


def debiased(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Project directions out of ``(m, d)`` vectors and bring them back to length 1.

    Example:
        >>> debiased(np.array([[0.6, 0.8]]), np.array([[1.0], [0.0]])).tolist()
        [[0.0, 1.0]]
    """
    left = vectors - (vectors @ basis) @ basis.T
    return left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-12)


def candidates(
    vectors: np.ndarray, reference: np.ndarray, foreground: np.ndarray, prototype: np.ndarray
) -> np.ndarray:
    """Patches that are like the object's mean, and whose nearest patch of the reference is its.

    Args:
        vectors: ``(m, d)`` debiased unit vectors of the picture.
        reference: ``(n, d)`` of the reference.
        foreground: ``(n,)`` bool, the object's.
        prototype: ``(d,)`` the object's mean, of length 1.

    Returns:
        ``(m,)`` bool.
    """
    like = vectors @ prototype
    forward = like > 0 if (like > 0).any() else like > np.quantile(like, 0.9)
    return forward & foreground[(vectors @ reference.T).argmax(axis=1)]


def group(vectors: np.ndarray, similarity: float) -> np.ndarray:
    """Cluster unit vectors by average linkage of their cosine distances.

    Args:
        vectors: ``(m, d)``.
        similarity: mean cosine at which clusters still merge.

    Returns:
        ``(m,)`` cluster numbers from 0 on.
    """
    if len(vectors) == 1:
        return np.zeros(1, dtype=np.int64)
    distances = 1 - np.clip(vectors @ vectors.T, -1, 1)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    return fcluster(tree, t=1 - similarity, criterion="distance").astype(np.int64) - 1


def aggregate(
    labels: np.ndarray, candidate: np.ndarray, scores: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """How much each cluster belongs to the object.

    Args:
        labels: ``(m,)`` cluster of each patch.
        candidate: ``(m,)`` bool; at least one.
        scores: of the clusters, ``(c,)`` cosine of their debiased means to the object's mean and
            ``(c,)`` mean cosine of their patches to it; ``(c, c)`` cosines of their own means.

    Returns:
        ``(c,)``: likeness to the object x likeness to the seed x share of candidates, which is 1
        for the seed, the candidate cluster most like the object.
    """
    to_object, mean_to_object, to_each_other = scores
    sizes = np.bincount(labels)
    share = np.bincount(labels[candidate], minlength=len(sizes)) / sizes
    seed = int(np.where(share > 0, to_object, -np.inf).argmax())
    share[seed] = 1.0
    return mean_to_object * to_each_other[seed] * share


def _search(
    basis: np.ndarray, options: Insid3Options, reference: ReferencePatches, patches: Patches
) -> Answer:
    shown, found = (debiased(one.vectors, basis) for one in (reference.patches, patches))
    prototype = _unit(shown[reference.foreground].mean(axis=0)[None])[0]
    candidate = candidates(found, shown, reference.foreground, prototype)
    if not candidate.any():
        frame = patches.embedding.frame
        return Answer(np.zeros((frame.height, frame.width), dtype=bool))
    labels = group(patches.vectors, options.similarity)
    own, cleaned = _means(patches.vectors, labels), _means(found, labels)
    like = found @ prototype
    mean_like = np.bincount(labels, weights=like) / np.bincount(labels)
    belongs = aggregate(labels, candidate, (cleaned @ prototype, mean_like, own @ own.T))
    chosen = belongs[labels] > options.join
    return Answer(patches.upsample(chosen) > 0.5, float(np.clip(belongs.max(), 0, 1)))


def _means(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return _unit(sums)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
