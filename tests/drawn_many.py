"""Drawn pictures with several objects, and the built-in model that finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from lib.montage import add_lookalike, cut_out

from persam import samples
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.models.wrapped_backbone import WrappedBackbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.structures import Preprocessed


class Counting(WrappedBackbone):
    """Counts what it is asked."""

    def __init__(self, backbone: Any) -> None:
        super().__init__(backbone)
        self.encoded = self.decoded = 0

    def encode_preprocessed(self, laid: Sequence[Preprocessed]) -> Any:
        self.encoded += len(laid)
        return super().encode_preprocessed(laid)

    def decode(self, *words: Any, **options: Any) -> Any:
        self.decoded += 1
        return super().decode(*words, **options)


def sample(number: int) -> tuple[np.ndarray, np.ndarray]:
    """One of the package's own pictures and the dog in it."""
    photo, mask = samples.files(samples.PICTURES, number)
    image = read_image(photo)
    return image, read_mask(mask, image.shape[:2]) > 0


def two_dogs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The dog in the meadow, and a second one beside it."""
    image, mask = sample(2)
    montage = add_lookalike(image, mask, cut_out(*sample(0)))
    assert montage is not None
    return montage.image, montage.truth, montage.lookalike


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)
