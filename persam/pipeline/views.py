"""What one reference taught, and what several taught together."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from persam.pipeline.parts import cluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, eq=False)
class ReferenceView:
    """What one reference taught.

    Attributes:
        target_feature: ``(d,)`` unit vector that pictures are searched for.
        target_embedding: ``(c,)`` mean of the object's decoder features, not normalised.
        foreground: ``(n, d)`` unit vectors of the object's cells; none where the variant does not
            read them.
        background: ``(k, d)`` the same of the other cells of the reference.
        facts: how the object was shown, in words and numbers that JSON can hold: ``prompt``
            (``"mask"``, ``"box"`` or ``"points"``), ``value``, ``size``, and the ``score`` of a
            mask that the model made.
    """

    target_feature: torch.Tensor
    target_embedding: torch.Tensor
    foreground: torch.Tensor
    background: torch.Tensor
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class ConceptFeatures:
    """What all views taught together: what a picture is searched with.

    Attributes:
        target_feature: ``(d,)`` unit vector, the mean of the views'. A single view's is as it was.
        target_embedding: ``(c,)`` mean of the views'.
        foregrounds: ``(n, d)`` unit vectors of the object's cells, one tensor a view.
        backgrounds: ``(k, d)`` the same of the references' other cells.
        negatives: ``(r, d)`` the same of the cells of what is not the object, one tensor a picture.
        parts: ``(p, d)`` unit vectors, one for each part of the object; none where none are asked.
    """

    target_feature: torch.Tensor
    target_embedding: torch.Tensor
    foregrounds: tuple[torch.Tensor, ...]
    backgrounds: tuple[torch.Tensor, ...]
    negatives: tuple[torch.Tensor, ...]
    parts: torch.Tensor

    @classmethod
    def of(
        cls, views: Sequence[ReferenceView], negatives: Sequence[ReferenceView], parts: int
    ) -> ConceptFeatures:
        """Put views together.

        Args:
            views: of the object, at least one.
            negatives: of what is not the object.
            parts: how many to group the object's cells into, at most.
        """
        feature, embedding = views[0].target_feature, views[0].target_embedding
        if len(views) > 1:
            feature = torch.stack([view.target_feature for view in views]).mean(dim=0)
            feature = F.normalize(feature, dim=0)
            embedding = torch.stack([view.target_embedding for view in views]).mean(dim=0)
        foregrounds = tuple(view.foreground for view in views)
        return cls(
            target_feature=feature,
            target_embedding=embedding,
            foregrounds=foregrounds,
            backgrounds=tuple(view.background for view in views),
            negatives=tuple(view.foreground for view in negatives),
            parts=cluster(torch.cat(foregrounds), parts),
        )

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """All numbers, one after the other."""
        single = (self.target_feature, self.target_embedding, self.parts)
        return (*single, *self.foregrounds, *self.backgrounds, *self.negatives)

    @property
    def foreground(self) -> torch.Tensor:
        """``(n, d)`` the object's cells of all views."""
        return torch.cat(self.foregrounds)

    @property
    def against(self) -> torch.Tensor:
        """``(k, d)`` all that is not the object: other cells of the references, and negatives'."""
        return torch.cat([*self.backgrounds, *self.negatives])
