"""Train the built-in model: ``persam train pocket``.

One step: draw pictures, lay them into scenes, encode the scenes once, ask four kinds of questions
about each, and follow the sum of the losses. Chance comes from one generator that is seeded by the
step's number, so a run that is stopped goes on to the same weights.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import distributed

from persam.backbones.pocket_network import SQUARE, Answer, PocketModel
from persam.errors import InputError
from persam.training import asking, episodes, pictures, scenes
from persam.training.losses import Losses, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.training.pictures import Pair


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data.

    Attributes:
        steps: optimiser steps of the whole schedule.
        batch: scenes a step, an equal part of them in every shard.
        shards: groups of scenes that are composed and judged apart; processes share them out.
        questions: episodes a scene, each asked four kinds of questions.
        learning_rate: after ``warmup`` steps of linear rise, until ``decay`` steps before the end,
            during which it falls linearly to 0.
        weight_decay: AdamW's.
        average: decay of the running mean of the weights, which is what is kept in the end.
        warmup, decay: see ``learning_rate``.
        small: side of the scenes at first, in pixels; cheap, and enough to learn what prompts are.
        grow_at: step from which scenes have the size that the model runs at.
        seed: of everything.
    """

    steps: int = 1200
    batch: int = 24
    shards: int = 2
    questions: int = 2
    learning_rate: float = 1e-3
    weight_decay: float = 0.03
    average: float = 0.998
    warmup: int = 30
    decay: int = 200
    small: int = 256
    grow_at: int = 700
    seed: int = 0

    def side(self, step: int) -> int:
        """Side of the scenes at a step."""
        return self.small if step < self.grow_at else SQUARE

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        rise = (step + 1) / self.warmup
        fall = (self.steps - step) / self.decay
        return self.learning_rate * min(1.0, rise, fall)


@dataclass
class State:
    """A run between two steps: what a checkpoint holds."""

    model: PocketModel
    averaged: dict[str, torch.Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0


def train(
    data: Sequence[Path],
    initial: Path,
    out: Path,
    recipe: Recipe,
    report: Callable[[dict[str, float]], None] | None = None,
) -> Path:
    """Train, or go on where ``out`` left off.

    Where torch.distributed is initialised, its processes share the shards of every step; the
    weights are the same as those of one process alone.

    Args:
        data: tars or folders of image/mask pairs.
        initial: MobileNetV2's weights, ``conv_00.weight`` ..., or a pocket model's to go on from,
            in a safetensors file.
        out: folder of ``checkpoint.pt``, ``log.jsonl`` and, in the end, ``pocket.safetensors``.
        recipe: a checkpoint in ``out`` of another recipe is an InputError.
        report: called with every line of the log.

    Returns:
        The path of the finished weights.
    """
    pairs = pictures.read_pairs(data)
    if len(pairs) < recipe.batch:
        raise InputError(f"A batch is {recipe.batch} pictures, but the data has {len(pairs)}.")
    out.mkdir(parents=True, exist_ok=True)
    state = _restore(out / "checkpoint.pt", recipe, initial)
    workers = Workers.here()
    started = time.monotonic()
    while state.step < recipe.steps:
        losses = _step(state, recipe, pairs, workers)
        if workers.rank > 0:
            continue  # one process writes
        if state.step % 20 == 0 or state.step == recipe.steps:
            line = {"step": state.step, "seconds": round(time.monotonic() - started, 1), **losses}
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            if report is not None:
                report(line)
        if state.step % 50 == 0 or state.step == recipe.steps:
            _checkpoint(state, recipe, out)
    return out / "pocket.safetensors"


@dataclass(frozen=True)
class Workers:
    """The processes that train together: this one's number, and how many there are."""

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls) -> Workers:
        """As torch.distributed says, or this process alone."""
        if not distributed.is_initialized():
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    def add_up(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients."""
        if self.count == 1:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, piece in zip(parameters, gradients, pieces, strict=True):
            parameter.grad = piece.view(gradient.shape).clone(memory_format=torch.preserve_format)


def _step(
    state: State, recipe: Recipe, pairs: Sequence[Pair], workers: Workers
) -> dict[str, float]:
    seed = recipe.seed * 1_000_003 + state.step
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    share = recipe.batch // recipe.shards
    state.model.resize(recipe.side(state.step))
    for group in state.optimiser.param_groups:
        group["lr"] = recipe.rate(state.step)
    state.optimiser.zero_grad(set_to_none=True)
    results: dict[str, Losses] = {}
    for shard in range(workers.rank, recipe.shards, workers.count):
        generator = torch.Generator().manual_seed(seed * recipe.shards + shard)
        chosen = [pairs[i] for i in order[shard * share : (shard + 1) * share].tolist()]
        results = _learn(state.model, chosen, recipe.questions, generator)
        total = torch.stack([losses.total for losses in results.values()]).sum()
        (total / recipe.shards).backward()
    parameters = trained(state.model)
    workers.add_up(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    state.optimiser.step()
    state.step += 1
    _average(state, min(recipe.average, state.step / (state.step + 10)))
    return {
        f"{name}_{key}": round(getattr(losses, key), 4)
        for name, losses in results.items()
        for key in ("mask", "best_iou", "chosen_iou")
    }


def _learn(
    model: PocketModel, pairs: Sequence[Pair], questions: int, generator: torch.Generator
) -> dict[str, Losses]:
    drawn = [pictures.decode(pair, model.square) for pair in pairs]
    batch = scenes.compose(
        torch.stack([p for p, _ in drawn]), torch.stack([m for _, m in drawn]), generator
    )
    with torch.autocast("cpu", torch.bfloat16):
        return _ask_all(model, batch, questions, generator)


def _ask_all(
    model: PocketModel, batch: scenes.Scenes, questions: int, generator: torch.Generator
) -> dict[str, Losses]:
    features = model.vision_encoder(batch.pixels.contiguous(memory_format=torch.channels_last))
    drawn = episodes.draw(batch, features, questions, generator)
    side, cells = batch.pixels.shape[-1], 4 * features.mask.shape[-1]
    truth = F.interpolate(drawn.truth[:, None], (cells, cells), mode="area")[:, 0]
    there = drawn.present
    coins = torch.rand(5, generator=generator) < 0.5

    def ask(question: asking.Question, rows: torch.Tensor, *, multimask: bool) -> Answer:
        return asking.ask(model, features, drawn.scene[rows], question, multimask=multimask)

    everything = torch.ones_like(there)
    concept = asking.concept_question(drawn, side, generator)
    first = ask(concept, everything, multimask=bool(coins[0]))
    point = asking.point_question(truth[there], side, generator)
    box = asking.box_question(truth[there], side, generator)
    by_point = ask(point, there, multimask=bool(coins[1]))
    by_box = ask(box, there, multimask=bool(coins[2]))
    if coins[3]:
        again = asking.refining_question(concept, first, side, box=bool(coins[4]))
        refined, wanted = ask(again, everything, multimask=True), truth
    else:
        again = asking.refining_question(point, by_point, side, box=bool(coins[4]))
        refined, wanted = ask(again, there, multimask=True), truth[there]
    return {
        "concept": judge(first, truth),
        "point": judge(by_point, truth[there]),
        "box": judge(by_box, truth[there]),
        "refined": judge(refined, wanted),
    }


def trained(model: PocketModel) -> list[torch.nn.Parameter]:
    """The parameters that training changes: all but the frozen backbone's."""
    return [p for p in model.parameters() if p.requires_grad]


def _average(state: State, decay: float) -> None:
    with torch.no_grad():
        for name, tensor in state.model.state_dict().items():
            state.averaged[name].lerp_(tensor, 1 - decay)


def _restore(checkpoint: Path, recipe: Recipe, initial: Path) -> State:
    torch.manual_seed(recipe.seed)
    model = PocketModel().channels_last()
    tensors = {name: tensor.float() for name, tensor in load_file(initial).items()}
    if tensors.keys() == model.state_dict().keys():
        model.load_state_dict(tensors)
    else:
        model.vision_encoder.mobilenet.load_folded(tensors)
    optimiser = torch.optim.AdamW(trained(model), weight_decay=recipe.weight_decay)
    state = State(model, {k: v.clone() for k, v in model.state_dict().items()}, optimiser)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        _check_same(Recipe(**saved["recipe"]), recipe, saved["step"])
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        state = State(model, saved["averaged"], optimiser, saved["step"])
    return state


def _check_same(old: Recipe, new: Recipe, step: int) -> None:
    """A run may be made longer or shorter as long as no step so far would have differed."""
    same = replace(old, steps=new.steps, grow_at=new.grow_at) == new
    if not same or any(
        old.rate(i) != new.rate(i) or old.side(i) != new.side(i) for i in range(step)
    ):
        raise InputError(
            f"This run is at step {step} of another recipe, {old}; give another output folder, "
            f"or that recipe to go on."
        )


def _checkpoint(state: State, recipe: Recipe, out: Path) -> None:
    temporary = out / "checkpoint.tmp"
    torch.save(
        {
            "recipe": asdict(recipe),
            "model": state.model.state_dict(),
            "averaged": state.averaged,
            "optimiser": state.optimiser.state_dict(),
            "step": state.step,
        },
        temporary,
    )
    temporary.replace(out / "checkpoint.pt")
    halves = {name: tensor.half().contiguous() for name, tensor in state.averaged.items()}
    metadata = {"recipe": json.dumps(asdict(recipe)), "step": str(state.step)}
    save_file(halves, out / "pocket.tmp", metadata)
    (out / "pocket.tmp").replace(out / "pocket.safetensors")
