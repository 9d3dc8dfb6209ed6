"""Parts that are hung into a frozen decoder for one call and taken off again without a trace."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.models.registry import POCKET
from persam.models.runtime.choice import RuntimeChoice
from persam.structures import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from persam.models.base import Backbone
    from persam.models.guided_attention import DecoderLock


@dataclass(frozen=True, eq=False)
class DecoderParts:
    """Small parts beside a decoder.

    Attributes:
        parts: hold the parameters; those that take gradients are the ones to train.
        hang: puts the parts into the decoder, and how to take them off on the stack.
        lock: of that decoder, held while the parts are in it.
    """

    parts: nn.Module
    hang: Callable[[ExitStack], None]
    lock: DecoderLock | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those that are trained."""
        return [parameter for parameter in self.parts.parameters() if parameter.requires_grad]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Change the decoder within the ``with`` block; other threads wait for their turn."""
        with self.lock or nullcontext(), ExitStack() as undo:
            self.hang(undo)
            yield


def with_torch_decoder(backbone: Backbone) -> Backbone:
    """Give a backbone whose decoder is torch's, so that parts can hang in it and be trained.

    That is the backbone itself, or the built-in model by torch where it came as the networks of
    the package, which hold no layers any more; whatever engine ran those.
    """
    if backbone.spec != ModelSpec(POCKET) or getattr(backbone, "model", None) is not None:
        return backbone
    from persam.models.pocket.backbone import load_pocket

    return load_pocket(device="cpu").run_by(RuntimeChoice("torch", backbone.precision))


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
            f"Trained parts hang into the layers of a SAM decoder; {backbone.name} has none. Load "
            f'the model with engine="torch", or the one that it was exported from.'
        )
    return decoder
