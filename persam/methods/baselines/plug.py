"""Trainable parts that are hung into a frozen decoder and taken off again without a trace."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from persam.backbones.wrapped import WrappedBackbone
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from persam.backbones import Backbone
    from persam.structures import Embedding, Guidance, MaskLogits, Prompts

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


class PluggedBackbone(WrappedBackbone):
    """A backbone whose single mask is decoded with a plug in, and that is itself again after it.

    The plug was fitted to that mask. The three masks, which the refinements ask for, are the
    backbone's own, and so are the embeddings.
    """

    def __init__(self, backbone: Backbone, plug: Plug, method: str) -> None:
        super().__init__(backbone, f"{backbone.name} tuned by {method}")
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
        """Answer prompts; see :meth:`persam.backbones.Backbone.decode`."""
        with nullcontext() if multimask else self._plug.plugged():
            return super().decode(embedding, prompts, guidance=guidance, multimask=multimask)


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
