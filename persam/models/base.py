"""What the pipeline needs of a model: pictures to embeddings, prompts to mask logits; arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

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


class Backbone(Protocol):
    """What the methods need of a model; any number of threads may use one.

    Attributes:
        spec: what it was loaded by; stored in concepts.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        recipe: which named variant ``"default"`` means for this model.
        calibration: what likeness by its matching features says about presence, where that was
            measured; None where nobody knows.
        ambiguous: whether a click may mean a part as well as the whole, so that three masks are
            asked for; False where the single mask has learnt to mean the whole.

    Example:
        >>> import numpy as np
        >>> import persam
        >>> backbone = persam.load("pocket")
        >>> embedding = backbone.encode(np.zeros((30, 40, 3), np.uint8))
        >>> prompts = persam.Prompts(box=(5, 5, 25, 25))
        >>> backbone.decode(embedding, prompts, multimask=False).logits.shape
        (1, 96, 96)
    """

    spec: ModelSpec
    square: int
    mean: np.ndarray
    std: np.ndarray
    recipe: str
    calibration: Calibration | None
    ambiguous: bool

    @property
    def name(self) -> str:
        """The specification in words, for people, reports and manifests."""
        ...

    @property
    def engine(self) -> str:
        """What runs encoder and decoder, one of ``ENGINES`` without ``"auto"``."""
        ...

    @property
    def precision(self) -> str:
        """Number format that the image encoder computes in, never ``"auto"``."""
        ...

    @property
    def streams(self) -> int:
        """Calls that are quickest side by side, each within ``one_stream``; else 1."""
        ...

    @property
    def device(self) -> str:
        """Where the model computes: ``"cpu"``, ``"cuda:0"``, ``"mps"``."""
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
        """Bring an upright picture into the model's square, so that it may be encoded later."""
        ...

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave, at once."""
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
        """Ask the mask decoder once.

        Args:
            embedding: of this very model.
            prompts: points, box and mask in any mix, with at least a point or a box.
            guidance: PerSAM's guide and target, for this call only.
            multimask: True for masks 1..3 (SAM's three scales), False for mask 0.

        Returns:
            ``(k, m, m)`` logits and their IoU estimates; k is 3 or 1.

        Raises:
            InputError: prompts, guidance or embedding that do not fit this model.
        """
        ...

    def decode_batch(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Sequence[Guidance | None] = (),
        multimask: bool,
    ) -> list[MaskLogits]:
        """Answer one prompt set for each embedding, all sets of one kind.

        Args:
            embeddings: of this very model; the same one may come again.
            prompts: one for each embedding, with the same parts and as many points.
            guidance: one for each embedding, with the same parts and alpha; empty for none.
            multimask: as for :meth:`decode`.

        Raises:
            InputError: as :meth:`decode`, or prompts or guidance of different kinds.
        """
        ...
