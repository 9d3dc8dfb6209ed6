"""Pictures in, embeddings out: the same ways into every backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from persam.structures import Embedding, ModelSpec, Preprocessed


class Encoding:
    """Encodes by preprocessing pictures first; a backbone says how to do both.

    Attributes:
        spec: what the model was loaded by.
    """

    spec: ModelSpec

    @property
    def name(self) -> str:
        """The specification in words, for people, reports and manifests."""
        return str(self.spec)

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the square, as :meth:`persam.models.base.Backbone.preprocess`."""
        raise NotImplementedError

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave."""
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
        """Encode pictures of any sizes at once, since each is brought into the model's square.

        Args:
            images: ``(height, width, 3)`` uint8 RGB each, upright.

        Returns:
            One embedding a picture, in their order; see the family's adapter for its maps.

        Raises:
            InputError: not such arrays.
        """
        return self.encode_preprocessed([self.preprocess(image) for image in images])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
