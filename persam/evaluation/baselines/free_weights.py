"""Three free mask weights: PerSAM-F without the constraint that they add up to 1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from persam.evaluation.baselines.descent import descend
from persam.evaluation.baselines.tuning import Tuned, require_finite, study
from persam.methods.fit import OFFICIAL

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.methods.fit import Schedule
    from persam.models.base import Backbone
    from persam.variants import Variant

METHOD = "free-weights"


def free_weights(
    backbone: Backbone,
    image: Source,
    *,
    mask: Source,
    schedule: Schedule = OFFICIAL,
    variant: str | Variant = "default",
) -> Tuned:
    """Learn an object as weights of the decoder's three masks, each free, from 1/3 on.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        schedule: of the descent; PerSAM-F's by default.
        variant: recipe of the prompts and refinements, PerSAM-F's by default.

    Raises:
        InputError: unreadable or unusable input.
        PersamError: the model's masks of the reference are not finite numbers.
    """
    studied = study(backbone, image, mask, variant)
    truth = studied.truth(schedule)
    maps = truth.resized(studied.ask(multimask=True).logits)  # fixed, as prompts and picture are
    free = torch.full((3,), 1 / 3, device=maps.device, requires_grad=True)
    losses = descend([free], lambda: truth.losses(torch.einsum("k,kij->ij", free, maps)), schedule)
    require_finite(losses, METHOD, schedule)
    first, second, third = free.detach().double().tolist()
    concept = replace(studied.concept, method="persam-f", weights=(first, second, third))
    return Tuned(METHOD, studied.backbone, concept, free.numel(), losses)
