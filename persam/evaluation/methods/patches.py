"""Pictures as patches: unit feature vectors of the grid cells, their places and their masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.pipeline.presence import picture_vectors
from persam.pipeline.prompts import cell_points, mask_box
from persam.prediction import Prediction
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.structures import Embedding

BATCH = 32  # prompts that the decoder answers at once


@dataclass(frozen=True, eq=False)
class Patches:
    """The patches of one encoded picture, row by row; padding has none.

    Attributes:
        embedding: the encoded picture.
        vectors: ``(m, d)`` float32 matching features, each of length 1.
    """

    embedding: Embedding
    vectors: np.ndarray

    @classmethod
    def of(cls, embedding: Embedding) -> Patches:
        """Take an encoded picture's matching features apart."""
        return cls(embedding, picture_vectors(embedding))

    @property
    def square_grid(self) -> tuple[int, int]:
        """``(h, w)`` cells over the model's whole square."""
        height, width = self.embedding.matching.shape[2:]
        return int(height), int(width)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of the cells that show the picture; their product is m."""
        return self.embedding.frame.picture_cells(self.square_grid)

    def shares(self, mask: np.ndarray) -> np.ndarray:
        """``(m,)`` share of each patch that a ``(height, width)`` bool mask covers, 0..1."""
        rows, columns = self.grid
        covered = geometry.coverage(mask, self.embedding.frame, self.square_grid)
        return covered[:rows, :columns].ravel()

    def logit_shares(self, logits: np.ndarray) -> np.ndarray:
        """``(k, m)`` share of each patch that masks cover, given as ``(k, s, s)`` logits."""
        rows, columns = self.grid
        covered = adaptive_mean(logits > 0, self.square_grid)
        return covered[:, :rows, :columns].reshape(len(logits), -1)

    def places(self) -> np.ndarray:
        """``(m, 2)`` row and column of each patch."""
        return np.argwhere(np.ones(self.grid, dtype=bool))

    def points(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """``(n, 2)`` int64 middles of patches as ``(x, y)`` pixels of the original picture."""
        cells = [divmod(int(index), self.grid[1]) for index in indices]
        return cell_points(cells, self.embedding.frame, self.square_grid)

    def upsample(self, values: np.ndarray) -> np.ndarray:
        """Bring ``(m,)`` values of the patches to ``(height, width)`` original pixels, bilinear."""
        rows, columns = self.grid
        height, width = self.square_grid
        padded = np.pad(
            values.reshape(rows, columns).astype(np.float32),
            ((0, height - rows), (0, width - columns)),
            mode="edge",
        )
        return geometry.to_original(padded[None], self.embedding.frame)[0]


@dataclass(frozen=True, eq=False)
class ReferencePatches:
    """The reference's patches, and how much of each is the object.

    Attributes:
        patches: of the whole picture.
        shares: ``(m,)`` share of each patch that the object covers, 0..1.
    """

    patches: Patches
    shares: np.ndarray

    @cached_property
    def foreground(self) -> np.ndarray:
        """``(m,)`` bool: patches that are half object or more; at least the fullest."""
        return self.shares >= min(0.5 - 1e-4, float(self.shares.max()))


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method makes of one picture.

    Attributes:
        mask: ``(height, width)`` bool.
        score: how sure the method is, 0..1 where it says so.
        points: ``(n, 2)`` point prompts on the object, ``(x, y)``; none where it uses none.
    """

    mask: np.ndarray
    score: float = 0.0
    points: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PatchConcept:
    """An object that is found by comparing patches, learnt without any training.

    Attributes:
        method: its name.
        backbone: the model.
        reference: of the object.
        search: finds the object in a picture's patches.
    """

    method: str
    backbone: Backbone
    reference: ReferencePatches
    search: Callable[[ReferencePatches, Patches], Answer]

    trained_parameters = 0

    def segment(self, image: Source) -> Prediction:
        """Find the object in a picture.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.

        Raises:
            InputError: the picture cannot be read.
        """
        return self.segment_embedding(self.backbone.encode(read_image(image)))

    def segment_embedding(self, embedding: Embedding) -> Prediction:
        """Find the object in a picture that the backbone has encoded already."""
        found = self.search(self.reference, Patches.of(embedding))
        points = np.zeros((0, 2), dtype=np.int64) if found.points is None else found.points
        labels = np.ones(len(points), dtype=np.int64)
        return Prediction(found.mask, found.score, mask_box(found.mask), points, labels)


def read_reference(backbone: Backbone, image: Source, mask: Source) -> ReferencePatches:
    """Read and encode a reference.

    Args:
        backbone: the model.
        image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it, wherever above half of its largest grey value.

    Raises:
        InputError: unreadable input, or a mask of another size or empty.
    """
    picture = read_image(image)
    grey = read_mask(mask, picture.shape[:2])
    patches = Patches.of(backbone.encode(picture))
    return ReferencePatches(patches, patches.shares(grey > grey.max() / 2))


def ask_points(
    backbone: Backbone, embedding: Embedding, groups: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Ask the decoder for the single mask of each group of points on the object.

    Args:
        backbone: whose decoder is asked.
        embedding: the picture.
        groups: at least one, each ``(n, 2)`` points ``(x, y)`` in original pixels.

    Returns:
        ``(k, s, s)`` logits and ``(k,)`` IoU estimates, in the order of the groups.
    """
    prompts = [Prompts(points, np.ones(len(points), dtype=np.int64)) for points in groups]
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number].points))
    logits: dict[int, np.ndarray] = {}
    scores = np.zeros(len(prompts))
    for numbers in _batches(order, [len(prompt.points) for prompt in prompts]):
        asked = [prompts[number] for number in numbers]
        for number, answer in zip(
            numbers,
            backbone.decode_batch([embedding] * len(asked), asked, multimask=False),
            strict=True,
        ):
            logits[number], scores[number] = answer.logits[0], float(answer.iou[0])
    return np.stack([logits[number] for number in range(len(prompts))]), scores


def adaptive_mean(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Mean of ``(k, s, s)`` maps in each of ``(h, w)`` windows, as PyTorch's adaptive pooling.

    Example:
        >>> adaptive_mean(np.array([[[1.0, 3.0], [5.0, 7.0]]]), (1, 2)).tolist()
        [[[3.0, 5.0]]]
    """
    found = maps.astype(np.float32)
    for axis, count in ((1, grid[0]), (2, grid[1])):
        size = found.shape[axis]
        low = np.arange(count) * size // count
        high = -(-np.arange(1, count + 1) * size // count)
        sums = np.cumsum(found, axis=axis, dtype=np.float64)
        zero = np.zeros_like(sums.take([0], axis=axis))
        sums = np.concatenate([zero, sums], axis=axis)
        lengths = (high - low).reshape([-1 if one == axis else 1 for one in range(3)])
        means = (sums.take(high, axis=axis) - sums.take(low, axis=axis)) / lengths
        found = means.astype(np.float32)
    return found


def _batches(order: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Runs of prompts with as many points each, at most ``BATCH`` long."""
    runs: list[list[int]] = []
    for number in order:
        last = runs[-1] if runs else []
        if last and len(last) < BATCH and sizes[last[0]] == sizes[number]:
            last.append(number)
        else:
            runs.append([number])
    return runs


def union(logits: np.ndarray, patches: Patches) -> np.ndarray:
    """``(height, width)`` bool union of the masks of ``(k, s, s)`` logits; none give no pixel."""
    frame = patches.embedding.frame
    mask = np.zeros((frame.height, frame.width), dtype=bool)
    for one in logits:
        mask |= geometry.to_original(one[None], frame)[0] > 0
    return mask
