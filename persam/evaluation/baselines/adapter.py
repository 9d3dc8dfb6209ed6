"""Adapter: a small bottleneck behind every attention and every MLP of the decoder's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from persam.errors import InputError
from persam.evaluation.baselines.tuned_backbone import seeded
from persam.evaluation.baselines.tuning import Tuned, study, tune
from persam.methods.fit import OFFICIAL
from persam.models.decoder_parts import DecoderParts, decoder_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    import torch

    from persam.io.images import Source
    from persam.methods.fit import Schedule
    from persam.models.base import Backbone
    from persam.variants import Variant

METHOD = "adapter"
_SUBLAYERS = ("self_attn", "cross_attn_token_to_image", "mlp", "cross_attn_image_to_token")


def adapter(  # noqa: PLR0913  (what the paper leaves open is a named argument)
    backbone: Backbone,
    image: Source,
    *,
    mask: Source,
    width: int = 32,
    schedule: Schedule = OFFICIAL,
    variant: str | Variant = "default",
) -> Tuned:
    """Learn an object in bottlenecks behind the decoder's sublayers, which start as nothing.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        width: of the bottlenecks.
        schedule: of the descent; PerSAM-F's by default.
        variant: recipe of the prompts and refinements, PerSAM-F's by default.

    Raises:
        InputError: unreadable or unusable input, no width, or a model without a SAM decoder.
    """
    if width < 1:
        raise InputError(f"An adapter is at least 1 wide; got {width}.")
    studied = study(backbone, image, mask, variant)
    decoder = decoder_of(studied.backbone)
    return tune(studied, _plug(decoder, width, backbone.device), schedule, METHOD)


class Bottleneck(nn.Module):
    """What a sublayer gave, plus a two-layer MLP of it; the sum is the input itself at first."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.up = nn.Linear(width, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., channels)`` to the same."""
        return x + self.up(nn.functional.gelu(self.down(x)))


def _plug(decoder: Any, width: int, device: str) -> DecoderParts:
    places = [getattr(block, name) for block in decoder.transformer.layers for name in _SUBLAYERS]
    with seeded():
        parts = nn.ModuleList(Bottleneck(decoder.hidden_size, width) for _ in places).to(device)

    def hang(undo: ExitStack) -> None:
        for place, part in zip(places, parts, strict=True):
            undo.callback(place.register_forward_hook(_behind(part)).remove)

    return DecoderParts(parts, hang)


def _behind(part: nn.Module) -> Any:
    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        # An attention gives its weights, too; an MLP gives a tensor alone.
        return (part(output[0]), *output[1:]) if isinstance(output, tuple) else part(output)

    return hook
