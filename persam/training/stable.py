"""Train Stable-SAM's plugin: ``persam train stable``.

One step: draw pictures, encode them with the frozen model, ask for each object by prompts of mixed
quality (the robust training strategy), and follow HQ-SAM's loss of the single masks. Every
picture's chance comes from a generator of its own, seeded by epoch and picture, so a run that is
stopped, or shared among processes, arrives at the same weights.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam import geometry
from persam.errors import InputError
from persam.evaluation.noisy_prompts import kinds
from persam.runs import cut_steps
from persam.training.points import draws, point_losses
from persam.training.processes import Workers
from persam.training.run_folder import CHECKPOINT, LOG, log
from persam.training.stable_state import keep, restore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.models.base import Backbone
    from persam.structures import Embedding, Prompts
    from persam.training.stable_state import StableRecipe, Task

LOG_EVERY, KEEP_EVERY = 10, 50


def train(
    task: Task,
    recipe: StableRecipe,
    out: Path,
    on_progress: Callable[[dict[str, float]], None] | None = None,
) -> int:
    """Train, or go on where the folder's checkpoint left off.

    Where torch.distributed is initialised (``accelerate launch`` does it), its processes share the
    pictures of every step; the gradients are those of one process alone.

    Args:
        task: what and on what; the plug's parts are changed.
        recipe: how.
        out: folder of ``checkpoint.pt`` and ``log.jsonl``.
        on_progress: called with every line of the log.

    Returns:
        The number of steps.

    Raises:
        InputError: unreadable data, too little of it, or a checkpoint of another recipe.
    """
    steps, workers = recipe.steps(len(task.pairs)), Workers.here()
    if len(task.pairs) < recipe.batch:
        raise InputError(f"A batch is {recipe.batch} pictures, but the data has {len(task.pairs)}.")
    out.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.Adam(task.plug.parameters)
    step = restore(out / CHECKPOINT, task, recipe, optimiser)
    if workers.rank == 0:
        cut_steps(out / LOG, step)
    started, sums = time.monotonic(), np.zeros(3)
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step, steps)
        sums += _step(task, recipe, step, workers)
        optimiser.step()
        step += 1
        if workers.rank > 0:
            continue
        if step % KEEP_EVERY == 0 or step == steps:
            keep(out / CHECKPOINT, task, recipe, optimiser, step)
        if step % LOG_EVERY == 0 or step == steps:
            entropy, dice = (round(float(total / sums[2]), 4) for total in sums[:2])
            seconds = round(time.monotonic() - started, 1)
            sums[:] = 0
            log(
                out,
                {"step": step, "seconds": seconds, "entropy": entropy, "dice": dice},
                on_progress,
            )
    return steps


def _step(task: Task, recipe: StableRecipe, step: int, workers: Workers) -> np.ndarray:
    """Gradients of one step; sums of both losses, and how many masks they are of."""
    chosen = _deal(len(task.pairs), recipe, step)
    task.plug.parts.zero_grad(set_to_none=True)
    groups: dict[int, list[_Question]] = {}
    for number in chosen[workers.rank :: workers.count]:
        for question in _questions(task, recipe, step, number):
            groups.setdefault(len(question.prompts.points), []).append(question)
    sums = np.zeros(3)
    with task.plug.attached():
        for group in groups.values():
            entropy, dice = _judge(task.backbone, group)
            ((entropy + dice).sum() / (recipe.batch * recipe.questions)).backward()
            sums += (float(entropy.detach().sum()), float(dice.detach().sum()), len(group))
    workers.add_up(task.plug.parameters)
    return sums


@dataclass(frozen=True, eq=False)
class _Question:
    embedding: Embedding
    prompts: Prompts
    truth: torch.Tensor
    places: torch.Tensor


def _deal(count: int, recipe: StableRecipe, step: int) -> list[int]:
    """The pictures of a step: every epoch a new order."""
    first = step * recipe.batch
    chosen = []
    for place in range(first, first + recipe.batch):
        epoch, rank = divmod(place, count)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(count)
        chosen.append(int(order[rank]))
    return chosen


def _questions(task: Task, recipe: StableRecipe, step: int, number: int) -> list[_Question]:
    chance = np.random.default_rng((recipe.seed, step, number))
    image, mask = task.pairs[number].read()
    if not mask.any():
        raise InputError(
            f"The mask of {task.pairs[number].stem} is empty; take the pair out of the data."
        )
    if task.store is None:
        embedding = task.backbone.encode(image)
    else:
        embedding = task.store.get(number, task.backbone, image)
    side = embedding.frame.square
    truth = torch.from_numpy(geometry.coverage(mask, embedding.frame, (side, side)))
    shares = np.array(list(recipe.proportions.values()), dtype=np.float64)
    asked = kinds(recipe.noise)
    names = chance.choice(list(recipe.proportions), recipe.questions, p=shares / shares.sum())
    return [
        _Question(embedding, asked[name].draw(mask, chance), truth, draws(chance)) for name in names
    ]


def _judge(backbone: Backbone, group: Sequence[_Question]) -> tuple[torch.Tensor, torch.Tensor]:
    model: Any = backbone
    answers = model.decode_tensors(
        [question.embedding for question in group],
        [question.prompts for question in group],
        multimask=False,
    )
    logits = torch.cat([answer.logits for answer in answers])
    truth = torch.stack([question.truth for question in group]).to(logits.device)
    places = torch.stack([question.places for question in group]).to(logits.device)
    return point_losses(logits, truth, places)
