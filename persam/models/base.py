"""What the pipeline needs of a model: pictures to embeddings, prompts to mask logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch

    from persam.structures import (
        Calibration,
        Embedding,
        Frame,
        Guidance,
        MaskLogits,
        Preprocessed,
        Prompts,
    )


class Backbone(Protocol):
    """What the methods need of a model.

    Attributes:
        name: what it was loaded by; stored in concepts and reports.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        recipe: which named variant ``"default"`` means for this model.
        calibration: what likeness by its matching features says about presence, where that was
            measured; None where nobody knows.
        ambiguous: whether a click may mean a part as well as the whole, so that three masks are
            asked for; False where the single mask has learnt to mean the whole.
    """

    name: str
    square: int
    mean: np.ndarray
    std: np.ndarray
    recipe: str
    calibration: Calibration | None
    ambiguous: bool

    @property
    def engine(self) -> str:
        """What runs encoder and decoder, one of ``ENGINES`` without ``"auto"``."""
        ...

    @property
    def precision(self) -> str:
        """Number format that the image encoder computes in, never ``"auto"``."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        ...

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        ...

    def encode(self, image: np.ndarray) -> Embedding:
        """Encode an upright ``(height, width, 3)`` uint8 RGB picture."""
        ...

    def encode_batch(self, images: Sequence[np.ndarray]) -> list[Embedding]:
        """Encode pictures of any sizes at once; as :meth:`encode` of each, but for rounding."""
        ...

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring an upright picture into the model's square, so that it may be encoded later.

        Safe in any thread, whatever the model does meanwhile.
        """
        ...

    def encode_preprocessed(self, laid: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode pictures that :meth:`preprocess` has prepared, at once."""
        ...

    @property
    def identity(self) -> str:
        """Names all that decides an embedding: weights by their contents, engine, precision."""
        ...

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts with masks 1..3, or with mask 0 alone without ``multimask``.

        The model's own weights take no gradients; whatever else asks for them gets them.
        """
        ...

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Answer one prompt set for each embedding; all sets are of one kind, without guidance."""
        ...
