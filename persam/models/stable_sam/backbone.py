"""Stable-SAM (Fan et al., ICLR 2025): a frozen SAM that bears sloppy prompts, by a small plugin.

The plugin changes what one token-to-image attention of the mask decoder sees, through a hook that
is there for one call. SAM's weights and its other arithmetic stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.models.decoder_parts import DecoderParts, decoder_of, with_torch_decoder
from persam.models.guided_attention import decoder_lock
from persam.models.stable_sam.plugin_file import Plugin, read_plugin
from persam.models.wrapped_backbone import WrappedBackbone

if TYPE_CHECKING:
    from contextlib import AbstractContextManager, ExitStack
    from pathlib import Path

    import torch
    from torch import nn

    from persam.models.base import Backbone
    from persam.models.stable_sam.modules import StableParts

LAYER = 1  # of two, counted from 0; the first and the final attention keep SAM's features


class StableBackbone(WrappedBackbone):
    """A backbone whose decoder has a plugin in.

    Attributes:
        spec: the model's, and the plugin.
        plugin: the plugin.
        ambiguous: False; the plugin has learnt to take every prompt for the whole object's.
    """

    def __init__(self, backbone: Backbone, plugin: Plugin, name: str) -> None:
        super().__init__(backbone, replace(backbone.spec, plugin=name))
        self.ambiguous = False
        self.plugin = plugin
        self._plug = stable_decoder_parts(decoder_of(backbone), plugin.parts)

    def _decoding(self, *, multimask: bool) -> AbstractContextManager[None]:
        return self._plug.attached()


def stabilize(backbone: Backbone, plugin: str | Path | Plugin) -> StableBackbone:
    """Put a Stable-SAM plugin into a model; the model itself stays as it is.

    Args:
        backbone: what :func:`persam.load` gave.
        plugin: a file that ``persam train stable`` wrote, or ``"pocket-stable"``.

    Raises:
        InputError: no plugin, one of another width, or a model without a SAM decoder.

    Example:
        >>> import persam
        >>> stable = persam.stabilize(persam.load("pocket"), "pocket-stable")
        >>> (stable.name, stable.ambiguous)
        ('pocket with plugin pocket-stable', False)
    """
    named = "a plugin" if isinstance(plugin, Plugin) else str(plugin)
    loaded = plugin if isinstance(plugin, Plugin) else read_plugin(plugin)
    backbone = with_torch_decoder(backbone)
    channels = decoder_of(backbone).hidden_size
    if loaded.parts.channels != channels:
        raise InputError(
            f"{named} was trained with {loaded.model} for {loaded.parts.channels} channels; "
            f"{backbone.name} has {channels}. Train one for it with `persam train stable`."
        )
    loaded.parts.to(backbone.device).requires_grad_(False).eval()
    return StableBackbone(backbone, loaded, named)


def stable_decoder_parts(decoder: nn.Module, parts: StableParts) -> DecoderParts:
    """How the plugin's parts are hung before the token-to-image attention of the second layer.

    Works with every decoder whose layers are named as transformers' SAM names them.
    """
    transformer: Any = decoder.transformer
    attention: Any = transformer.layers[LAYER].cross_attn_token_to_image
    # SAM 2's kind has a token for the object's presence before the IoU's.
    first = 2 if hasattr(decoder, "obj_score_token") else 1
    masks: int = decoder.num_mask_tokens  # pyright: ignore[reportAssignmentType]

    def redirect(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, torch.Tensor]
    ) -> tuple[tuple[Any, ...], dict[str, torch.Tensor]]:
        query, value = kwargs["query"], kwargs["value"]
        tokens = query[..., first : first + masks, :].flatten(0, 1)
        seen = parts(tokens, value.flatten(0, 1)).view_as(value)
        # Keys are features and positions; the positions stay the cells' own.
        return args, {**kwargs, "key": kwargs["key"] + (seen - value), "value": seen}

    def hang(undo: ExitStack) -> None:
        undo.callback(attention.register_forward_pre_hook(redirect, with_kwargs=True).remove)

    return DecoderParts(parts, hang, decoder_lock(decoder))
