"""A backbone round another one: everything goes through, until a subclass says otherwise."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from persam.models.encoding import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import numpy as np

    from persam.models.base import Backbone
    from persam.structures import (
        Calibration,
        Embedding,
        Frame,
        Guidance,
        MaskLogits,
        ModelSpec,
        Preprocessed,
        Prompts,
    )


class WrappedBackbone(Encoding):
    """Answers as the backbone inside does.

    Attributes:
        spec: the inner backbone's, or the one that was given.
        model: the inner backbone's, where it has one.
        square, mean, std, recipe, ambiguous, calibration: the inner backbone's.
    """

    def __init__(self, backbone: Backbone, spec: ModelSpec | None = None) -> None:
        self.spec = backbone.spec if spec is None else spec
        self.model: Any = getattr(backbone, "model", None)
        self.square = backbone.square
        self.mean = backbone.mean
        self.std = backbone.std
        self.recipe = backbone.recipe
        self.ambiguous = backbone.ambiguous
        self.calibration: Calibration | None = backbone.calibration
        self._backbone = backbone

    @property
    def engine(self) -> str:
        """What runs encoder and decoder."""
        return self._backbone.engine

    @property
    def precision(self) -> str:
        """Number format that the image encoder computes in."""
        return self._backbone.precision

    @property
    def streams(self) -> int:
        """Calls that are quickest side by side."""
        return self._backbone.streams

    @property
    def device(self) -> str:
        """Where the model computes."""
        return self._backbone.device

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        return self._backbone.frame(height, width)

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the square, as :meth:`persam.models.base.Backbone.preprocess`."""
        return self._backbone.preprocess(image)

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave, at once."""
        return self._backbone.encode_preprocessed(pictures)

    @property
    def identity(self) -> str:
        """Names all that decides an embedding; the inner backbone's."""
        return self._backbone.identity

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts; see :meth:`persam.models.base.Backbone.decode`."""
        with self._decoding(multimask=multimask):
            return self._backbone.decode(embedding, prompts, guidance=guidance, multimask=multimask)

    def decode_batch(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Sequence[Guidance | None] = (),
        multimask: bool,
    ) -> list[MaskLogits]:
        """Answer several; see :meth:`persam.models.base.Backbone.decode_batch`."""
        with self._decoding(multimask=multimask):
            return self._backbone.decode_batch(
                embeddings, prompts, guidance=guidance, multimask=multimask
            )

    def decode_tensors(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Guidance | Sequence[Guidance | None] | None = None,
        multimask: bool = True,
    ) -> list[MaskLogits]:
        """Answer with gradients; see :meth:`persam.models.adapter.Adapter.decode_tensors`."""
        inner: Any = self._backbone
        with self._decoding(multimask=multimask):
            return inner.decode_tensors(embeddings, prompts, guidance=guidance, multimask=multimask)

    def _decoding(self, *, multimask: bool) -> AbstractContextManager[None]:
        """A context that the inner decoder is asked in; by itself nothing."""
        return nullcontext()
