"""Pictures in, embeddings out: the same two ways into every backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from persam.structures import Embedding, Preprocessed


class Encoding:
    """Encodes by laying pictures and encoding what was laid; a backbone says how to do both."""

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the square, as :meth:`persam.models.base.Backbone.preprocess`."""
        raise NotImplementedError

    def encode_preprocessed(self, laid: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode pictures that :meth:`preprocess` has prepared."""
        raise NotImplementedError

    def encode(self, image: np.ndarray) -> Embedding:
        """Encode one picture.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Raises:
            InputError: not such an array.
        """
        return self.encode_batch([image])[0]

    def encode_batch(self, images: Sequence[np.ndarray]) -> list[Embedding]:
        """Encode pictures of any sizes at once, since each is laid into the model's square.

        Args:
            images: ``(height, width, 3)`` uint8 RGB each, upright.

        Returns:
            One embedding a picture, in their order; see the family's adapter for its maps.

        Raises:
            InputError: not such arrays.
        """
        return self.encode_preprocessed([self.preprocess(image) for image in images])
