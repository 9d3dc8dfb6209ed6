"""LoRA: products of two thin matrices beside q and v of the decoder's attentions, by ``peft``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from torch import nn

from persam.errors import InputError, MissingExtra
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

METHOD = "lora"
_PROJECTIONS = ("q_proj", "v_proj")


def lora(  # noqa: PLR0913  (what the paper leaves open is a named argument)
    backbone: Backbone,
    image: Source,
    *,
    mask: Source,
    rank: int = 4,
    schedule: Schedule = OFFICIAL,
    variant: str | Variant = "default",
) -> Tuned:
    """Learn an object in low-rank changes of the decoder's queries and values.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        rank: of the changes, which count as they are (LoRA's alpha is the rank).
        schedule: of the descent; PerSAM-F's by default.
        variant: recipe of the prompts and refinements, PerSAM-F's by default.

    Raises:
        InputError: unreadable or unusable input, no rank, or a model without a SAM decoder.
        MissingExtra: peft is not installed.
    """
    if rank < 1:
        raise InputError(f"LoRA has a rank of at least 1; got {rank}.")
    studied = study(backbone, image, mask, variant)
    return tune(studied, lora_parts(studied.backbone, rank), schedule, METHOD)


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise MissingExtra(f"LoRA needs peft ({error}): pip install 'persam[baselines]'") from error


def lora_parts(backbone: Backbone, rank: int) -> DecoderParts:
    """Low-rank changes beside q and v of all of a decoder's attentions; at first they do nothing.

    Raises:
        InputError: a model without a SAM decoder.
        MissingExtra: peft is not installed.
    """
    peft = _peft()
    decoder: nn.Module = decoder_of(backbone)
    places = [
        (module, name)
        for module in decoder.modules()
        for name in _PROJECTIONS
        if isinstance(getattr(module, name, None), nn.Linear)
    ]
    originals = [getattr(module, name) for module, name in places]
    # peft leaves its marks on what it is given: that is this list, and not the decoder.
    parts = nn.ModuleDict({str(number): layer for number, layer in enumerate(originals)})
    config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=list(parts))
    with seeded():
        peft.inject_adapter_in_model(config, parts)
    parts.to(backbone.device)

    def hang(undo: ExitStack) -> None:
        for (module, name), layer, part in zip(places, originals, parts.values(), strict=True):
            undo.callback(setattr, module, name, layer)
            setattr(module, name, part)

    return DecoderParts(parts.eval(), hang)
