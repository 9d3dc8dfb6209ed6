"""Train the built-in model: ``persam train pocket``.

One step: draw pictures, lay them into scenes, encode the scenes once, ask four kinds of questions
about each, and follow the sum of the losses. Chance comes from generators that are seeded by the
step's number, so a run that is stopped goes on to the same weights.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam.errors import InputError
from persam.training import asking, episodes, pictures, scenes
from persam.training.losses import Losses, judge
from persam.training.processes import Workers
from persam.training.state import average, keep, restore, trained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.backbones.pocket_network import Answer, PocketModel
    from persam.training.pictures import Pair
    from persam.training.state import Recipe, State


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
    state = restore(out / "checkpoint.pt", recipe, initial)
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
            keep(state, recipe, out)
    return out / "pocket.safetensors"


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
    average(state, min(recipe.average, state.step / (state.step + 10)))
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
