"""Which of several objects is it? Their evidence in one picture, compared with each other.

One object's likeness says how well it finds its like; some objects find something like them in
every picture. Here each object's likeness is measured against what it finds in the *others'*
reference pictures, where it is known not to be, and a softmax over all objects and "none of them"
turns the log-odds into shares. Measured on albums of eight objects: ``benchmarks/albums.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline.colour import cell_colours, colour_gap
from persam.pipeline.features import check_embedding
from persam.pipeline.presence import CellMatrix, Evidence, evidence_of, picture_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.pipeline.features import SearchTarget
    from persam.structures import Embedding

# In company of others an object is there by its share, of which this part of the presence that it
# needs alone is enough; or, as several may be in one picture, by a presence that leaves no doubt.
IN_COMPANY = 0.43
SURE_ALONE = 0.8
PLAUSIBLE = 0.25  # presence from which colours have a say
ELSEWHERE = 17  # objects in whose pictures the others are looked for, spread over a larger set


@dataclass(frozen=True)
class Standing:
    """How one of several objects stands in a picture.

    Attributes:
        evidence: its own.
        odds: log-odds that it is there, after what it finds where it is not; 0 without a
            calibration.
        share: softmax of the odds over all objects and none of them, 0..1; None where an object of
            the set has no calibration, so that they do not compare.
    """

    evidence: Evidence
    odds: float = 0.0
    share: float | None = None

    def absent(self, min_presence: float) -> bool:
        """Whether the object is called absent at this threshold."""
        if self.share is None:
            return self.evidence.absent(min_presence)
        if self.share >= IN_COMPANY * min_presence:
            return False
        return self.evidence.absent(max(min_presence, SURE_ALONE))


@dataclass(frozen=True, eq=False)
class ObjectSet:
    """Objects that are looked for together, and what was learnt of the set.

    Attributes:
        targets: by name; of one model.
        offsets: by name, how much more than the others an object finds its like where it is not,
            in likeness; None where the objects do not compare.
    """

    targets: Mapping[str, SearchTarget]
    offsets: Mapping[str, float] | None

    @classmethod
    def of(cls, targets: Mapping[str, SearchTarget]) -> ObjectSet:
        """Learn the offsets of a set from its own references."""
        every = targets.values()
        if len(targets) < 2 or not all(t.calibration and t.features.has_cells for t in every):
            return cls(targets, None)
        elsewhere = _elsewhere(targets)
        mean = fmean(elsewhere.values())
        return cls(targets, {name: found - mean for name, found in elsewhere.items()})

    @cached_property
    def _cells(self) -> CellMatrix:
        return CellMatrix.of([one.features for one in self._with_cells.values()])

    @cached_property
    def _with_cells(self) -> dict[str, SearchTarget]:
        return {name: one for name, one in self.targets.items() if one.features.has_cells}

    def judge(self, embedding: Embedding) -> dict[str, Standing]:
        """How every object stands in a picture, by its matching features and perhaps its colours.

        Objects that are each plausible by themselves are told apart by the colours, too, where the
        embedding has its picture: they share out anew what they have together.

        Raises:
            InputError: the embedding is another model's.
        """
        found = self._evidence(embedding)
        if self.offsets is None:
            return {name: Standing(evidence) for name, evidence in found.items()}
        odds = {name: self._odds(name, evidence) for name, evidence in found.items()}
        shares = dict(zip(odds, _shares(list(odds.values())), strict=True))
        gaps = self._colour_gaps(found, embedding)
        together = sum(shares[name] for name in gaps)
        weights = {name: shares[name] * math.exp(-gap) for name, gap in gaps.items()}
        for name, gap in gaps.items():
            odds[name] -= gap
            shares[name] = together * weights[name] / sum(weights.values())
        return {name: Standing(found[name], odds[name], shares[name]) for name in found}

    def _evidence(self, embedding: Embedding) -> dict[str, Evidence]:
        """By name, what the matching features say of each object by itself."""
        for target in self.targets.values():
            check_embedding(embedding, target)
        likeness: dict[str, float] = {}
        if self._with_cells:
            found = self._cells.likenesses(picture_vectors(embedding))
            likeness = dict(zip(self._with_cells, found, strict=True))
        return {
            name: evidence_of(likeness.get(name), target.calibration)
            for name, target in self.targets.items()
        }

    def _colour_gaps(self, found: Mapping[str, Evidence], embedding: Embedding) -> dict[str, float]:
        """By name, what its colours cost a plausible object beside the best of them, in log-odds.

        Of fewer than two plausible objects, or where colours are not known, of none.
        """
        plausible = plausible_ones(found)
        colours = cell_colours(embedding) if len(plausible) > 1 else None
        if colours is None:
            return {}
        rows, columns = embedding.picture_cells
        shown = colours[:rows, :columns].reshape(-1, 3)
        vectors, costs = picture_vectors(embedding), {}
        for name in plausible:
            gap = colour_gap(vectors, shown, self.targets[name].features)
            calibration = self.targets[name].calibration
            if gap is None or calibration is None:
                return {}
            costs[name] = calibration.slope * gap
        least = min(costs.values())
        return {name: cost - least for name, cost in costs.items()}

    def _odds(self, name: str, evidence: Evidence) -> float:
        calibration = self.targets[name].calibration
        if calibration is None or evidence.likeness is None or self.offsets is None:
            return 0.0
        return calibration.slope * (evidence.likeness - self.offsets[name] - calibration.middle)


def plausible_ones(found: Mapping[str, Evidence]) -> list[str]:
    """The objects that may be in a picture, each judged by itself."""
    return [name for name, one in found.items() if (one.presence or 0.0) >= PLAUSIBLE]


def _elsewhere(targets: Mapping[str, SearchTarget]) -> dict[str, float]:
    """By name, the mean likeness of other objects' reference pictures to each object."""
    names = list(targets)
    cells = CellMatrix.of([one.features for one in targets.values()])
    found: dict[str, list[float]] = {name: [] for name in names}
    for place in sorted({n * len(names) // ELSEWHERE for n in range(ELSEWHERE)}):
        shown = targets[names[place]].features
        for pair in zip(shown.foregrounds, shown.backgrounds, strict=True):
            likenesses = cells.likenesses(np.concatenate(pair))
            for name, likeness in zip(names, likenesses, strict=True):
                if name != names[place]:
                    found[name].append(likeness)
    return {name: fmean(likenesses) for name, likenesses in found.items()}


def _shares(odds: list[float]) -> list[float]:
    """Softmax over log-odds and 0, which stands for none of them.

    Example:
        >>> [round(share, 2) for share in _shares([0.0, 0.0])]
        [0.33, 0.33]
    """
    top = max(0.0, *odds)
    weights = [math.exp(one - top) for one in odds]
    total = sum(weights) + math.exp(-top)
    return [weight / total for weight in weights]
