"""One training step: the masked loss on photos of the subject, the plain one on its class.

Some photos of the subject and as many pictures of its class get one noise and one time each, and go
through the U-Net together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from persam.dreambooth.data import deal, gather
from persam.dreambooth.losses import masked_errors, masked_loss

if TYPE_CHECKING:
    from persam.dreambooth.components import Base
    from persam.dreambooth.data import Item
    from persam.dreambooth.recipe import DreamBoothRecipe


@dataclass
class DreamBoothState:
    """A run between two steps.

    Attributes:
        base: the model, with what is trained inside.
        recipe: what decides the weights.
        items: the subject's photos.
        prior: pictures of its class; none without prior preservation.
        parameters: what is trained, by name.
        optimiser: moves them.
        scaler: keeps small gradients alive in float16; does nothing otherwise.
        step: how many were made.
    """

    base: Base
    recipe: DreamBoothRecipe
    items: list[Item]
    prior: list[Item]
    parameters: dict[str, torch.nn.Parameter]
    optimiser: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    step: int = 0


@dataclass(frozen=True, eq=False)
class NoisePrediction:
    """What the U-Net said in a step, and what it should have said.

    Attributes:
        said: ``(n + p, c, h, w)``, the subject's photos first.
        wanted: likewise.
        masks: ``(n, 1, h, w)`` loss weights of the photos.
    """

    said: torch.Tensor
    wanted: torch.Tensor
    masks: torch.Tensor


def train_step(state: DreamBoothState) -> dict[str, Any]:
    """Make one step.

    Returns:
        Its line of the log: ``step``, ``loss``, ``prior``, and of every photo ``inside`` and
        ``outside``, the mean errors where the mask is above 0 and where it is 0, and ``leak``, the
        largest gradient that reached a prediction where it is 0: nothing in masked training.
    """
    recipe = state.recipe
    seed = recipe.seed * 1_000_003 + state.step
    torch.manual_seed(seed)  # for networks with dropout
    chosen = _chosen(state.items, recipe.batch, state.step, recipe.seed)
    prior = _chosen(state.prior, recipe.batch, state.step, recipe.seed + 1)
    answer = ask(state.base, chosen, prior, torch.Generator().manual_seed(seed))
    answer.said.retain_grad()
    own, prior = losses(answer, masked=recipe.masked)
    _follow(state, own + recipe.prior_weight * prior)
    line = {"step": state.step, "loss": float(own.detach())}
    if prior:
        line["prior"] = float(prior.detach())
    return line | {"pictures": _facts(answer, chosen)}


def ask(
    base: Base, chosen: list[Item], prior: list[Item], generator: torch.Generator
) -> NoisePrediction:
    """Noise some pictures and let the U-Net answer.

    Args:
        base: the model.
        chosen: photos of the subject.
        prior: pictures of its class, or none.
        generator: on the CPU, so that every device sees the same noise.
    """
    latents, condition = gather([*chosen, *prior], generator)
    noise = torch.randn(latents.shape, generator=generator)
    last = base.noise.config.num_train_timesteps
    times = torch.randint(0, last, (len(latents),), generator=generator)
    latents, noise, times = (x.to(base.device) for x in (latents, noise, times))
    noisy = base.noise.add_noise(latents, noise, times)
    said = base.predict(noisy, times, condition)
    masks = torch.stack([item.mask for item in chosen]).to(base.device)
    return NoisePrediction(said, base.target(latents, noise, times), masks)


def losses(answer: NoisePrediction, *, masked: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss on the subject's photos, and the one that keeps its class: never masked.

    Args:
        answer: of the U-Net.
        masked: whether the first is taken on the subject's cells alone.
    """
    count = len(answer.masks)
    counted = answer.masks if masked else torch.ones_like(answer.masks)
    own = masked_loss(answer.said[:count], answer.wanted[:count], counted)
    if len(answer.said) == count:
        return own, own.new_zeros(())
    return own, F.mse_loss(answer.said[count:].float(), answer.wanted[count:].float())


def _chosen(items: list[Item], batch: int, step: int, seed: int) -> list[Item]:
    return [items[i] for i in deal(len(items), batch, step, seed)] if items else []


def _follow(state: DreamBoothState, loss: torch.Tensor) -> None:
    """Move the weights down the loss, and count the step."""
    state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimiser)
    torch.nn.utils.clip_grad_norm_(state.parameters.values(), 1.0)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.optimiser.zero_grad(set_to_none=True)
    state.step += 1


@torch.no_grad()
def _facts(answer: NoisePrediction, chosen: list[Item]) -> list[dict[str, Any]]:
    """How each photo did, on the subject and off it."""
    count = len(chosen)
    said, wanted = answer.said[:count], answer.wanted[:count]
    off = (answer.masks == 0).float()
    inside = masked_errors(said, wanted, 1 - off)
    outside = masked_errors(said, wanted, off)
    assert answer.said.grad is not None  # noqa: S101  (`_follow` has filled it)
    leak = (answer.said.grad[:count].abs() * off).flatten(1).amax(1)
    return [
        {
            "name": item.name,
            "inside": float(inside[i]),
            "outside": float(outside[i]) if off[i].any() else None,
            "leak": float(leak[i]),
        }
        for i, item in enumerate(chosen)
    ]
