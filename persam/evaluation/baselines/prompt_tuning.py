"""Prompt tuning: learned tokens stand beside the prompt's own in the mask decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from persam.errors import InputError
from persam.evaluation.baselines.tuned_backbone import seeded
from persam.evaluation.baselines.tuning import Tuned, study, tune
from persam.methods.fit import OFFICIAL
from persam.models.decoder_parts import DecoderParts, decoder_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from persam.io.images import Source
    from persam.methods.fit import Schedule
    from persam.models.base import Backbone
    from persam.variants import Variant

METHOD = "prompt-tuning"
_SPREAD = 0.02  # of the tokens at the start, as transformers draws its embeddings


def prompt_tuning(  # noqa: PLR0913  (what the paper leaves open is a named argument)
    backbone: Backbone,
    image: Source,
    *,
    mask: Source,
    tokens: int = 48,
    schedule: Schedule = OFFICIAL,
    variant: str | Variant = "default",
) -> Tuned:
    """Learn an object as tokens of the decoder's prompt; nothing of the model changes.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        tokens: how many are learnt, each as wide as the decoder.
        schedule: of the descent; PerSAM-F's by default.
        variant: recipe of the prompts and refinements, PerSAM-F's by default.

    Raises:
        InputError: unreadable or unusable input, no token, or a model without a SAM decoder.
    """
    if tokens < 1:
        raise InputError(f"Prompt tuning learns at least 1 token; got {tokens}.")
    studied = study(backbone, image, mask, variant)
    decoder = decoder_of(studied.backbone)
    return tune(studied, _plug(decoder, tokens, backbone.device), schedule, METHOD)


def _plug(decoder: Any, count: int, device: str) -> DecoderParts:
    with seeded():
        tokens = nn.Parameter((_SPREAD * torch.randn(count, decoder.hidden_size)).to(device))

    def add(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        prompt = kwargs["sparse_prompt_embeddings"]  # (b, n, tokens, c)
        learned = tokens.expand(*prompt.shape[:2], -1, -1)
        return args, {**kwargs, "sparse_prompt_embeddings": torch.cat([prompt, learned], dim=2)}

    def hang(undo: ExitStack) -> None:
        undo.callback(decoder.register_forward_pre_hook(add, with_kwargs=True).remove)

    return DecoderParts(nn.ParameterList([tokens]), hang)
