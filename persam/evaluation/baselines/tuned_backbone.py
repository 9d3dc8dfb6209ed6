"""A backbone with trained parts in its decoder, and the chance that such parts start from."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from persam.models.base import Backbone
    from persam.models.decoder_parts import DecoderParts

SEED = 0


class TunedBackbone(WrappedBackbone):
    """A backbone whose single mask is decoded with a plug in, and that is itself again after it.

    The plug was fitted to that mask. The three masks, which the refinements ask for, are the
    backbone's own, and so are the embeddings.
    """

    def __init__(self, backbone: Backbone, plug: DecoderParts, method: str) -> None:
        super().__init__(backbone, ModelSpec(f"{backbone.name} tuned by {method}"))
        self._plug = plug

    def _decoding(self, *, multimask: bool) -> AbstractContextManager[None]:
        return nullcontext() if multimask else self._plug.attached()


@contextmanager
def seeded() -> Iterator[None]:
    """Draw the same random numbers each time, and leave the caller's where they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield
