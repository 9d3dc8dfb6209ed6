"""A backbone with trained parts in its decoder, and the chance that such parts start from."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.models.base import Backbone
    from persam.models.decoder_parts import DecoderParts
    from persam.structures import Embedding, Guidance, MaskLogits, Prompts

SEED = 0


class TunedBackbone(WrappedBackbone):
    """A backbone whose single mask is decoded with a plug in, and that is itself again after it.

    The plug was fitted to that mask. The three masks, which the refinements ask for, are the
    backbone's own, and so are the embeddings.
    """

    def __init__(self, backbone: Backbone, plug: DecoderParts, method: str) -> None:
        super().__init__(backbone, ModelSpec(f"{backbone.name} tuned by {method}"))
        self._plug = plug

    @torch.no_grad()
    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts; see :meth:`persam.models.base.Backbone.decode`."""
        with nullcontext() if multimask else self._plug.attached():
            return super().decode(embedding, prompts, guidance=guidance, multimask=multimask)

    @torch.no_grad()
    def decode_batch(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Sequence[Guidance | None] = (),
        multimask: bool,
    ) -> list[MaskLogits]:
        """Answer several; see :meth:`persam.models.base.Backbone.decode_batch`."""
        with nullcontext() if multimask else self._plug.attached():
            return super().decode_batch(embeddings, prompts, guidance=guidance, multimask=multimask)


@contextmanager
def seeded() -> Iterator[None]:
    """Draw the same random numbers each time, and leave the caller's where they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield
