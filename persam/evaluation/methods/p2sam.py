"""P2SAM: PerSAM with a point on every part of the object, and the number of parts chosen by itself.

The object's features are clustered into parts; each part's most similar pixel is a point on the
object, the pixel least similar to all of them the one off it. Guide, target embedding and the two
refinements are PerSAM's. This is done for 1 to ``parts`` parts, and the mask whose features are
nearest the reference's (Wasserstein distance between the patches) is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from persam.errors import InputError
from persam.evaluation.methods.patches import (
    Answer,
    PatchConcept,
    Patches,
    ReferencePatches,
    adaptive_mean,
    read_reference,
)
from persam.evaluation.methods.transport import earth_movers_distance, require_transport
from persam.pipeline import decoder, similarity
from persam.pipeline.guidance import attention_guide
from persam.pipeline.prompts import point_prompts
from persam.structures import Guidance, Prompts
from persam.variants import Variant

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.decoder import Step

METHOD = "p2sam"
SEED = 0
PARTS = 5  # at most, as the authors' PerSeg figures are made


@dataclass(frozen=True, eq=False)
class Parts:
    """What P2SAM keeps of the object.

    Attributes:
        centres: for each number of parts ``(p, d)`` unit vectors of the parts' means.
        features: ``(n, d)`` matching features of the object's patches, as the encoder gives them.
        target: ``(1, 1, c)`` mean of the object's decoder features.
    """

    centres: tuple[np.ndarray, ...]
    features: np.ndarray
    target: np.ndarray


def p2sam(backbone: Backbone, image: Source, *, mask: Source, parts: int = PARTS) -> PatchConcept:
    """Learn an object as its parts.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        parts: the largest number of parts that is tried.

    Raises:
        InputError: unreadable or unusable input, or no parts.
        MissingExtra: POT, which computes the Wasserstein distance, is not installed.
    """
    if parts < 1:
        raise InputError(f"P2SAM has at least 1 part; got {parts}.")
    require_transport()
    reference = read_reference(backbone, image, mask)
    learnt = _learn(reference, parts)
    return PatchConcept(METHOD, backbone, reference, partial(_search, backbone, learnt))


def part_means(features: np.ndarray, count: int) -> np.ndarray:
    """Means of the object's parts.

    Args:
        features: ``(n, d)`` of the object's patches, at least one.
        count: how many parts; fewer come back where there are fewer different patches.

    Returns:
        ``(p, d)`` of length 1.

    Example:
        >>> part_means(np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), 2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    different = len(np.unique(features, axis=0))
    if min(count, different) < 2:
        means = features.mean(axis=0)[None]
    else:
        _, labels = kmeans2(
            features.astype(np.float64), min(count, different), minit="++", rng=SEED
        )
        means = np.stack([features[labels == one].mean(axis=0) for one in np.unique(labels)])
        means = means[np.lexsort(-means.T[::-1])]  # the same parts in the same order
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def _learn(reference: ReferencePatches, parts: int) -> Parts:
    embedding = reference.patches.embedding
    features = _raw(reference.patches)[reference.foreground]
    centres = tuple(part_means(features, count).astype(np.float32) for count in range(1, parts + 1))
    maps = embedding.features[0]
    cells = _decoder_cells(reference, (int(maps.shape[1]), int(maps.shape[2])))
    target = similarity.pool(maps, cells, "mean")
    return Parts(centres, features, target[None, None])


def _raw(patches: Patches) -> np.ndarray:
    rows, columns = patches.grid
    features = patches.embedding.matching[0][:, :rows, :columns]
    return np.ascontiguousarray(features.reshape(len(features), -1).T)


def _decoder_cells(reference: ReferencePatches, grid: tuple[int, int]) -> np.ndarray:
    """``(h, w)`` bool: the object's cells on the decoder's grid."""
    rows, columns = reference.patches.grid
    whole = np.zeros(reference.patches.square_grid, dtype=np.float32)
    whole[:rows, :columns] = reference.shares.reshape(rows, columns)
    small = adaptive_mean(whole[None], grid)[0]
    return small >= min(0.5 - 1e-4, float(small.max()))


def _search(
    backbone: Backbone, learnt: Parts, reference: ReferencePatches, patches: Patches
) -> Answer:
    del reference  # all that is needed of it was learnt
    raw = _raw(patches)
    best: tuple[float, Step] | None = None
    for centres in learnt.centres:
        step = _ask(backbone, learnt, centres, patches)
        shares = patches.shares(step.mask)
        inside = shares >= 0.5
        if not inside.any():
            continue
        costs = cdist(learnt.features, raw[inside], "sqeuclidean")
        distance = earth_movers_distance(costs)
        if best is None or distance < best[0]:
            best = (distance, step)
    if best is None:
        frame = patches.embedding.frame
        return Answer(np.zeros((frame.height, frame.width), dtype=bool))
    step = best[1]
    return Answer(step.mask, step.score, step.prompts.points[step.prompts.labels == 1])


def _ask(backbone: Backbone, learnt: Parts, centres: np.ndarray, patches: Patches) -> Step:
    """PerSAM's three decoder calls, with a point for each part."""
    embedding, frame = patches.embedding, patches.embedding.frame
    maps = np.moveaxis(embedding.cells @ centres.T, -1, 0)  # (p, h, w)
    priors = [similarity.location_prior(one, frame) for one in maps]
    peaks = [point_prompts(prior, negative=False)[0] for prior in priors]
    mean = np.mean(priors, axis=0)
    points, labels = point_prompts(mean)
    on = np.concatenate(peaks)
    prompts = Prompts(
        np.concatenate([on, points[labels == 0]]), np.array([1] * len(on) + [0], dtype=np.int64)
    )
    grid = (int(embedding.features.shape[2]), int(embedding.features.shape[3]))
    guide = attention_guide(mean, frame, grid, "official")
    guidance = Guidance(guide, learnt.target)
    first = decoder.first_step(backbone, embedding, prompts, guidance)
    steps = decoder.refine(backbone, embedding, first, Variant.named("official", "persam"))
    return decoder.final_step(steps)
