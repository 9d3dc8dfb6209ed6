"""GF-SAM (NeurIPS 2024): points and their masks as a graph, without a number to choose.

1. *Positive-negative alignment*: a patch may be prompted where it is more like the object (mean x
   maximum of its cosines) than like the rest of the reference (mean), both brought to 0..1. The sum
   of what is left gives the number of points, at most ``MOST``.
2. *Point-mask clustering*: every point gives a mask; an edge goes from a mask's point to every
   point that the mask covers, and weakly connected points are one cluster.
3. *Positive gate*: a mask counts where most of what it adds to its cluster is like the object.
   *Overshooting gate*: a point counts where the masks of its own cluster explain it best, and most
   points of the cluster agree. The masks of points that pass both gates are the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from persam.evaluation.methods.patches import (
    Answer,
    PatchConcept,
    Patches,
    ReferencePatches,
    ask_points,
    read_reference,
    union,
)

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone

METHOD = "gf-sam"
MOST = 128  # points, as the authors have it, for speed
_TINY = 1e-6


def gf_sam(backbone: Backbone, image: Source, *, mask: Source) -> PatchConcept:
    """Learn an object as its patches.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.

    Raises:
        InputError: unreadable or unusable input.
    """
    reference = read_reference(backbone, image, mask)
    return PatchConcept(METHOD, backbone, reference, partial(_search, backbone))


@dataclass(frozen=True, eq=False)
class Priors:
    """Similarities of a picture's patches to the reference, each ``(m,)``.

    Attributes:
        mean: weighted mean of the cosines to the object's patches.
        largest: largest cosine to one of them, times how much of it is object.
        background: weighted mean of the cosines to the rest.
    """

    mean: np.ndarray
    largest: np.ndarray
    background: np.ndarray

    @classmethod
    def of(cls, cosines: np.ndarray, shares: np.ndarray) -> Priors:
        """Sum up cosines.

        Args:
            cosines: ``(n, m)`` of the reference's patches to the picture's.
            shares: ``(n,)`` how much of each patch of the reference is object, 0..1.
        """
        rest = 1 - shares
        return cls(
            mean=shares @ cosines / (shares.sum() + _TINY),
            largest=(cosines * shares[:, None]).max(axis=0),
            background=rest @ cosines / (rest.sum() + _TINY),
        )

    @property
    def aligned(self) -> np.ndarray:
        """``(m,)`` in 0..1: like the object, and 0 where more like the rest."""
        positive = _to_unit(self.mean * self.largest)
        return np.where(_to_unit(self.background) > positive, 0.0, positive)

    @property
    def gain(self) -> np.ndarray:
        """``(m,)`` above 0 where a patch is taken for the object's by the positive gate."""
        middle = (self.mean.max() + self.mean.min()) / 2
        return self.mean**2 - self.background * middle


def prompt_patches(aligned: np.ndarray) -> np.ndarray:
    """Indices of the patches to prompt, as many as ``aligned`` sums up to, the best first.

    Example:
        >>> prompt_patches(np.array([0.9, 0.0, 1.0, 0.3])).tolist()
        [2, 0]
    """
    total = float(aligned.sum())
    count = min(max(int(total), 1 if total > 0 else 0), MOST)
    return np.argsort(-aligned, kind="stable")[:count]


def clusters(covered: np.ndarray) -> np.ndarray:
    """``(n,)`` number of each point's cluster.

    Args:
        covered: ``(n, n)`` bool; row i holds which points the mask of point i covers.

    Example:
        >>> clusters(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)).tolist()
        [0, 0, 1]
    """
    return connected_components(covered, directed=True, connection="weak")[1]


def positive_gate(
    shares: np.ndarray, gain: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which masks add more of the object than of the rest to their cluster.

    Args:
        shares: ``(n, m)`` share of each patch that the mask of a point covers.
        gain: ``(m,)`` above 0 where a patch is taken for the object's.
        labels: ``(n,)`` cluster of each point.

    Returns:
        ``(n,)`` bool, and ``(n,)`` by how many patches the last mask of a point's cluster is more
        object than rest, by which the authors choose where nothing passes.
    """
    positive = gain > 0
    passed = np.zeros(len(shares), dtype=bool)
    scores = np.zeros(len(shares))
    means = shares @ gain / (shares.sum(axis=1) + _TINY)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        grown = np.zeros(shares.shape[1])
        balance = 0.0
        for point in members[np.argsort(-means[members], kind="stable")]:
            new = shares[point] * (1 - grown)
            balance = float(new[positive].sum() - new[~positive].sum())
            if balance > 0:
                passed[point] = True
                grown = grown + new
        scores[members] = balance
    return passed, scores


def overshooting_gate(like: np.ndarray, places: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which points are explained best by the masks of their own cluster.

    Args:
        like: ``(clusters, n)`` likeness of each point to the union of each cluster's masks.
        places: ``(n, 2)`` row and column of each point.
        labels: ``(n,)`` cluster of each point.

    Returns:
        ``(n,)`` bool; none of a cluster where most of its points disagree.
    """
    far = cdist(places, places)
    nearest = np.stack([far[:, labels == one].min(axis=1) for one in range(len(like))])
    own = (like / np.where(nearest == 0, 1.0, nearest)).argmax(axis=0) == labels
    for label in range(len(like)):
        members = labels == label
        if 2 * np.count_nonzero(own & members) < np.count_nonzero(members):
            own = own & ~members
    return own


def _search(backbone: Backbone, reference: ReferencePatches, patches: Patches) -> Answer:
    priors = Priors.of(reference.patches.vectors @ patches.vectors.T, reference.shares)
    chosen = prompt_patches(priors.aligned)
    points = patches.points(chosen)
    if len(chosen) == 0:
        frame = patches.embedding.frame
        return Answer(np.zeros((frame.height, frame.width), dtype=bool))
    logits, estimates = ask_points(backbone, patches.embedding, [point[None] for point in points])
    shares = patches.logit_shares(logits)
    labels = clusters(shares[:, chosen] >= 0.5)
    passed, scores = positive_gate(shares, priors.gain, labels)
    like = _cluster_likeness(patches.vectors, shares, labels)[:, chosen]
    own = overshooting_gate(like, patches.places()[chosen], labels)
    selected = np.flatnonzero(passed & own)
    if len(selected) == 0:  # the best of those that pass one of the gates, else of all
        either = np.where(passed | own, scores, 0.0)
        selected = np.array([either.argmax()])
    return Answer(
        union(logits[selected.tolist()], patches), float(estimates[selected].mean()), points
    )


def _cluster_likeness(vectors: np.ndarray, shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(clusters, m)`` mean cosine of every patch to those that a cluster's masks cover."""
    unions = np.stack([shares[labels == one].max(axis=0) for one in range(labels.max() + 1)])
    weights = unions / (unions.sum(axis=1, keepdims=True) + _TINY)
    return weights @ vectors @ vectors.T


def _to_unit(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low + _TINY)
