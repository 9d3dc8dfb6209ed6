"""Trainable parts that are hung into a frozen decoder and taken off again without a trace."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from torch import nn

    from persam.backbones import Backbone
    from persam.structures import Embedding, Frame, Guidance, MaskLogits, Prompts

SEED = 0


@dataclass(frozen=True, eq=False)
class Plug:
    """Small parts beside a decoder.

    Attributes:
        parts: hold the parameters; those that take gradients are the ones to train.
        hang: puts the parts into the decoder, and how to take them off on the stack.
    """

    parts: nn.Module
    hang: Callable[[ExitStack], None]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those that are trained."""
        return [parameter for parameter in self.parts.parameters() if parameter.requires_grad]

    @contextmanager
    def plugged(self) -> Iterator[None]:
        """Change the decoder within the ``with`` block; two threads must not share it meanwhile."""
        with ExitStack() as undo:
            self.hang(undo)
            yield


class PluggedBackbone:
    """A backbone whose single mask is decoded with a plug in, and that is itself again after it.

    The plug was fitted to that mask. The three masks, which the refinements ask for, are the
    backbone's own, and so are the embeddings.
    """

    def __init__(self, backbone: Backbone, plug: Plug, method: str) -> None:
        self.name = f"{backbone.name} tuned by {method}"
        self.square = backbone.square
        self.mean = backbone.mean
        self.std = backbone.std
        self.recipe = backbone.recipe
        self._backbone = backbone
        self._plug = plug

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self._backbone.device

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        return self._backbone.frame(height, width)

    def encode(self, image: np.ndarray) -> Embedding:
        """Encode an upright ``(height, width, 3)`` uint8 RGB picture."""
        return self._backbone.encode(image)

    @torch.no_grad()
    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts; see :meth:`persam.backbones.Backbone.decode`."""
        with nullcontext() if multimask else self._plug.plugged():
            return self._backbone.decode(embedding, prompts, guidance=guidance, multimask=multimask)


def decoder_of(backbone: Backbone) -> Any:
    """Give the transformers mask decoder that a backbone asks.

    All families name its layers alike: ``transformer.layers`` of ``self_attn``,
    ``cross_attn_token_to_image``, ``mlp`` and ``cross_attn_image_to_token``.

    Raises:
        InputError: the backbone has none.
    """
    decoder = getattr(getattr(backbone, "model", None), "mask_decoder", None)
    if decoder is None:
        raise InputError(
            f"The fine-tuning baselines hang into transformers' SAM decoders; {backbone.name} "
            f"has none. Load another model."
        )
    return decoder


@contextmanager
def seeded() -> Iterator[None]:
    """Draw the same random numbers each time, and leave the caller's where they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield
