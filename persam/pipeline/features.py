"""What one reference taught, what several taught together, and what is searched for by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from persam.errors import InputError
from persam.pipeline.parts import cluster
from persam.structures import NO_COLOURS, unit_length

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from persam.models.base import Backbone
    from persam.structures import Calibration, Embedding, Weights
    from persam.variants import Variant


@dataclass(frozen=True, eq=False)
class ReferenceFeatures:
    """What one reference taught; all arrays are float32.

    Attributes:
        target_feature: ``(d,)`` unit vector that pictures are searched for.
        target_embedding: ``(c,)`` mean of the object's decoder features, not normalised.
        foreground: ``(n, d)`` unit vectors of the object's cells; none where the variant does not
            read them.
        background: ``(k, d)`` the same of the other cells of the reference.
        colours: ``(n, 3)`` CIELAB of the object's cells; none where they were not kept.
        facts: how the object was shown, in words and numbers that JSON can hold: ``prompt``
            (``"mask"``, ``"box"`` or ``"points"``), ``value``, ``size``, and the ``score`` of a
            mask that the model made.
    """

    target_feature: np.ndarray
    target_embedding: np.ndarray
    foreground: np.ndarray
    background: np.ndarray
    colours: np.ndarray = field(default_factory=lambda: NO_COLOURS)
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        cells = f"{len(self.foreground)} foreground and {len(self.background)} background cells"
        return f"ReferenceFeatures({self.facts.get('prompt', 'no prompt')}, {cells})"


@dataclass(frozen=True, eq=False)
class ObjectFeatures:
    """What all references taught together: what a picture is searched with.

    Attributes:
        target_feature: ``(d,)`` unit vector, the references' mean. A single one's is as it was.
        target_embedding: ``(c,)`` the references' mean.
        foregrounds: ``(n, d)`` unit vectors of the object's cells, one array a reference.
        backgrounds: ``(k, d)`` the same of the references' other cells.
        negatives: ``(r, d)`` the same of the cells of what is not the object, one array a picture.
        parts: ``(p, d)`` unit vectors, one for each part of the object; none where none are asked.
        colours: ``(n, 3)`` CIELAB of the object's cells, one array a reference.
        pieces: in how many pieces the references show the object at most, crumbs left out.
        foreground: ``(n, d)`` the object's cells of all references.
        background: ``(k, d)`` all that is not the object: other cells, and the negatives'.
    """

    target_feature: np.ndarray
    target_embedding: np.ndarray
    foregrounds: tuple[np.ndarray, ...]
    backgrounds: tuple[np.ndarray, ...]
    negatives: tuple[np.ndarray, ...]
    parts: np.ndarray
    colours: tuple[np.ndarray, ...] = ()
    pieces: int = 1
    foreground: np.ndarray = field(init=False)
    background: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "foreground", np.concatenate(self.foregrounds))
        together = np.concatenate([*self.backgrounds, *self.negatives])
        object.__setattr__(self, "background", together)

    @classmethod
    def of(
        cls,
        references: Sequence[ReferenceFeatures],
        negatives: Sequence[ReferenceFeatures],
        parts: int,
    ) -> ObjectFeatures:
        """Put references together.

        Args:
            references: of the object, at least one.
            negatives: of what is not the object.
            parts: how many to group the object's cells into, at most.
        """
        feature, embedding = references[0].target_feature, references[0].target_embedding
        if len(references) > 1:
            feature = unit_length(np.mean([one.target_feature for one in references], axis=0))
            embedding = np.mean([one.target_embedding for one in references], axis=0)
        foregrounds = tuple(one.foreground for one in references)
        return cls(
            target_feature=feature,
            target_embedding=embedding,
            foregrounds=foregrounds,
            backgrounds=tuple(one.background for one in references),
            negatives=tuple(one.foreground for one in negatives),
            parts=cluster(np.concatenate(foregrounds), parts),
            colours=tuple(one.colours for one in references),
            pieces=max(_pieces(one) for one in references),
        )

    @property
    def has_cells(self) -> bool:
        """Whether the object's cells of every reference were kept."""
        return all(len(cells) > 0 for cells in self.foregrounds)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All numbers, one array after the other."""
        single = (self.target_feature, self.target_embedding, self.parts)
        return (*single, *self.foregrounds, *self.backgrounds, *self.negatives, *self.colours)


def _pieces(reference: ReferenceFeatures) -> int:
    pieces = reference.facts.get("pieces")  # out of a file, in which anything may stand
    return pieces if isinstance(pieces, int) else 1


class SearchTarget(Protocol):
    """What the stages need of a learnt object; :class:`persam.concept.Concept` is one.

    Attributes:
        backbone: the model that finds it.
        variant: the recipe.
        features: what it is searched by.
        weights: PerSAM-F's weights of the three masks; None for PerSAM.
        calibration: likeness -> presence; None where nothing is known.
    """

    @property
    def backbone(self) -> Backbone: ...  # noqa: D102
    @property
    def variant(self) -> Variant: ...  # noqa: D102
    @property
    def features(self) -> ObjectFeatures: ...  # noqa: D102
    @property
    def weights(self) -> Weights | None: ...  # noqa: D102
    @property
    def calibration(self) -> Calibration | None: ...  # noqa: D102


def wants_pixels(targets: Collection[SearchTarget]) -> bool:
    """Whether an embedding alone is not enough to look for these objects in a picture.

    Several are told apart by their colours, too, and a recipe may look again at what it has found.
    """
    return len(targets) > 1 or any(target.variant.second_look > 0 for target in targets)


def check_embedding(embedding: Embedding, target: SearchTarget) -> None:
    """Refuse a picture that another model has encoded.

    Raises:
        InputError: it has other matching channels than the model that the object was learnt with.
    """
    channels, expected = embedding.cells.shape[2], len(target.features.target_feature)
    if channels != expected:
        raise InputError(
            f"The embedding has {channels} matching channels, the concept {expected}: they come "
            f"from different models, or from two generations of the built-in one. Encode the "
            f"picture with the concept's own backbone, {target.backbone.name}, or learn the object "
            f"again."
        )
