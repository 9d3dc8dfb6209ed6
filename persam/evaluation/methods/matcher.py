"""Matcher (ICLR 2024): patches matched both ways, prompts sampled from the matches, masks scored.

1. Forward matching assigns every patch of the object one patch of the picture (one to one, the sum
   of cosines as large as can be); reverse matching assigns those back to the reference. Matches
   that come back off the object are dropped, and of many matches the better half is kept.
2. The matched points are summed up in centres, and groups of centres prompt the decoder.
3. Each mask is scored by how like the object its patches are (earth mover's distance), how densely
   the matches fill it (purity) and how many of them it holds (coverage); the best are merged.

Settings are those of the authors' FSS-1000 run, whose pictures show one object, as a personal photo
does. The authors' mask generator also drops masks by SAM's own estimate and stability, with
thresholds made for SAM ViT-H; here the scores alone decide, so that any decoder may be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment

from persam.errors import InputError
from persam.evaluation.methods.patches import (
    Answer,
    PatchConcept,
    Patches,
    ReferencePatches,
    ask_points,
    read_reference,
    union,
)
from persam.evaluation.methods.transport import earth_movers_distance, require_transport

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone

METHOD = "matcher"
SEED = 0
MANY = 40  # matches from which the worse half is dropped


@dataclass(frozen=True)
class MatcherOptions:
    """The numbers of Matcher.

    Attributes:
        centres: of the matched points.
        smallest, largest: how many centres a prompt has.
        samples: prompts of each size, at most; a fixed draw where there are more combinations.
        alpha: weight of the likeness, 1 - earth mover's distance.
        beta: weight of purity x coverage^exponent.
        exponent: of coverage.
        merged: masks that are merged at most.
        threshold: share of the best score that a merged mask needs.
    """

    centres: int = 8
    smallest: int = 4
    largest: int = 6
    samples: int = 30
    alpha: float = 0.8
    beta: float = 0.2
    exponent: float = 1.0
    merged: int = 10
    threshold: float = 0.7

    def __post_init__(self) -> None:
        if not 1 <= self.smallest <= self.largest <= self.centres or self.samples < 1:
            raise InputError(
                f"Matcher's prompts have between 1 and {self.centres} centres, smallest before "
                f"largest, and at least 1 sample; got {self}."
            )


def matcher(
    backbone: Backbone,
    image: Source,
    *,
    mask: Source,
    options: MatcherOptions | None = None,
) -> PatchConcept:
    """Learn an object as its patches, to be matched both ways.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        options: None takes the defaults.

    Raises:
        InputError: unreadable or unusable input.
        MissingExtra: POT, which computes the earth mover's distance, is not installed.
    """
    require_transport()
    reference = read_reference(backbone, image, mask)
    search = partial(_search, backbone, options or MatcherOptions())
    return PatchConcept(METHOD, backbone, reference, search)


def match_both_ways(cosines: np.ndarray, foreground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match the object's patches to a picture's, and back.

    Args:
        cosines: ``(n, m)`` of the reference's patches to the picture's.
        foreground: ``(n,)`` bool, the object's; at least one.

    Returns:
        The matched patches of the picture and their cosines, the best first: those whose reverse
        match is on the object, or all where none is; of more than ``MANY`` the better half.

    Example:
        >>> cosines = np.array([[0.9, 0.1, 0.2], [0.3, 0.6, 0.5], [0.2, 0.7, 0.1]])
        >>> indices, matched = match_both_ways(cosines, np.array([True, True, False]))
        >>> indices.tolist(), matched.tolist()
        ([0], [0.9])
    """
    rows, columns = linear_sum_assignment(cosines[foreground], maximize=True)
    matched = cosines[foreground][rows, columns]
    # The assignment gives its rows in order, and so the matches in the order of the columns.
    back = linear_sum_assignment(cosines.T[columns], maximize=True)
    returned = np.zeros(len(columns), dtype=bool)
    returned[back[0]] = foreground[back[1]]
    if returned.any():
        columns, matched = columns[returned], matched[returned]
    order = np.argsort(-matched, kind="stable")
    kept = order[: len(order) // 2] if len(order) > MANY else order
    return columns[kept], matched[kept]


def prompt_groups(points: np.ndarray, options: MatcherOptions) -> list[np.ndarray]:
    """Groups of centres of the matched points, each a prompt.

    Args:
        points: ``(n, 2)`` ``(x, y)``, at least one.
        options: how many centres, groups and centres in a group.

    Returns:
        ``(c, 2)`` int64 each; of fewer centres than the smallest group, all of them at once.
    """
    centres = _centres(points, options.centres)
    chance = np.random.default_rng(SEED)
    groups: list[np.ndarray] = []
    for size in range(options.smallest, options.largest + 1):
        every = list(combinations(range(len(centres)), size))
        if len(every) > options.samples:
            chosen = chance.choice(len(every), options.samples, replace=False)
            every = [every[number] for number in sorted(chosen)]
        groups += [centres[list(one)] for one in every]
    return groups or [centres]


def _centres(points: np.ndarray, count: int) -> np.ndarray:
    different = np.unique(points, axis=0)
    if len(different) <= count:
        return different
    start, _ = kmeans2(different.astype(np.float64), count, minit="++", rng=SEED)
    # A centre may lie between the points, off the object; its nearest point does not.
    nearest = ((start[:, None] - different[None]) ** 2).sum(axis=2).argmin(axis=1)
    return different[np.unique(nearest)]


def score_masks(
    shares: np.ndarray, matches: np.ndarray, costs: np.ndarray, options: MatcherOptions
) -> np.ndarray:
    """How well masks show the object.

    Args:
        shares: ``(k, m)`` share of each patch that a mask covers; any share above 0 counts.
        matches: ``(n,)`` matched patches.
        costs: ``(f, m)`` distances of the object's patches to the picture's, 0..1.
        options: the weights.

    Returns:
        ``(k,)``; an empty mask scores 0.
    """
    scores = np.zeros(len(shares))
    for number, covered in enumerate(shares > 0):
        if not covered.any():
            continue
        inside = np.count_nonzero(shares[number, matches] >= 0.5)
        purity, coverage = inside / np.count_nonzero(covered), inside / len(matches)
        likeness = 1 - earth_movers_distance(costs[:, covered])
        scores[number] = options.alpha * likeness
        scores[number] += options.beta * purity * coverage**options.exponent
    return scores


def _search(
    backbone: Backbone, options: MatcherOptions, reference: ReferencePatches, patches: Patches
) -> Answer:
    cosines = reference.patches.vectors @ patches.vectors.T
    matches, _ = match_both_ways(cosines, reference.foreground)
    points = patches.points(matches)
    logits, _ = ask_points(backbone, patches.embedding, prompt_groups(points, options))
    shares = patches.logit_shares(logits)
    # Groups that gave the same mask are scored once.
    _, different = np.unique(shares > 0, axis=0, return_index=True)
    different = np.sort(different)
    costs = (1 - cosines[reference.foreground]) / 2
    scores = score_masks(shares[different], matches, costs, options)
    order = np.argsort(-scores, kind="stable")[: options.merged]
    merged = order[scores[order] > options.threshold * scores[order[0]]]
    mask = union(logits[different[merged].tolist()], patches)
    return Answer(mask, float(scores[order[0]]), points)
