"""One frame of a clip and what was encoded of it: the whole, and regions, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.video.regions import crop, whole

if TYPE_CHECKING:
    import numpy as np

    from persam.models.base import Backbone
    from persam.structures import Box, Embedding


class EncodedFrame:
    """A frame that is encoded when and where it is asked for.

    Attributes:
        image: ``(height, width, 3)`` uint8 RGB.
        number: of the frame in the clip, from 0 on.
        size: ``(height, width)``.
    """

    def __init__(self, backbone: Backbone, image: np.ndarray, number: int = 0) -> None:
        self._backbone = backbone
        self._embeddings: dict[Box, Embedding] = {}
        self.image = image
        self.number = number
        self.size: tuple[int, int] = (image.shape[0], image.shape[1])

    @property
    def embedding(self) -> Embedding:
        """Of the whole frame."""
        return self.region(whole(self.size))

    def region(self, region: Box) -> Embedding:
        """Of a part of the frame, as if it were a picture of its own."""
        if region not in self._embeddings:
            self._embeddings[region] = self._backbone.encode(crop(self.image, region))
        return self._embeddings[region]
