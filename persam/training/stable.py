"""Train Stable-SAM's plugin: ``persam train stable``.

One step: draw pictures, encode them with the frozen model, ask for each object by prompts of mixed
quality (the robust training strategy), and follow HQ-SAM's loss of the single masks. Every
picture's chance comes from a generator of its own, seeded by epoch and picture, so a run that is
stopped, or shared among processes, arrives at the same weights.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam import geometry
from persam.errors import InputError
from persam.evaluation.sloppy import NOISE, kinds
from persam.training.points import draws, point_losses
from persam.training.processes import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from persam.backbones import Backbone
    from persam.backbones.plugs import Plug
    from persam.structures import Embedding, Prompts
    from persam.training.embeddings import Store

LOG_EVERY, KEEP_EVERY = 10, 50
# One third each for true boxes, noisy boxes and points
EQUAL_FAMILIES = MappingProxyType(
    {
        "true box": 4,
        "noisy box": 4,
        "1 point": 1,
        "3 points": 1,
        "5 points": 1,
        "10 points": 1,
    }
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from model, plugin and data.

    Attributes:
        epochs: how often every picture is seen; may be a fraction.
        batch: pictures a step.
        questions: prompts a picture and step.
        proportions: how often each kind of prompt is drawn, relative to the others.
        noise: scale of the noisy boxes.
        learning_rate: Adam's, until the last ``decay`` of all steps, when it falls linearly to 0.
        decay: see ``learning_rate``.
        seed: of everything.
    """

    epochs: float = 1.0
    batch: int = 16
    questions: int = 2
    proportions: Mapping[str, float] = field(default_factory=lambda: EQUAL_FAMILIES)
    noise: float = NOISE
    learning_rate: float = 1e-3
    decay: float = 0.3
    seed: int = 0

    def steps(self, pictures: int) -> int:
        """How many steps that is."""
        return max(1, round(self.epochs * pictures / self.batch))

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at a step."""
        return self.learning_rate * min(1.0, (steps - step) / max(1.0, self.decay * steps))


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained on what.

    Attributes:
        backbone: frozen.
        plug: whose parameters are trained, hung into that backbone's decoder.
        pictures: gives picture ``(H, W, 3)`` uint8 and mask ``(H, W)`` bool by number.
        count: of pictures.
        store: keeps embeddings between runs; None encodes every time.
    """

    backbone: Backbone
    plug: Plug
    pictures: Callable[[int], tuple[np.ndarray, np.ndarray]]
    count: int
    store: Store | None = None


def train(
    task: Task,
    recipe: Recipe,
    out: Path,
    report: Callable[[dict[str, float]], None] | None = None,
) -> int:
    """Train, or go on where the folder's checkpoint left off.

    Where torch.distributed is initialised (``accelerate launch`` does it), its processes share the
    pictures of every step; the gradients are those of one process alone.

    Args:
        task: what and on what; the plug's parts are changed.
        recipe: how.
        out: folder of ``checkpoint.pt`` and ``log.jsonl``.
        report: called with every line of the log.

    Returns:
        The number of steps.

    Raises:
        InputError: unreadable data, too little of it, or a checkpoint of another recipe.
    """
    steps, workers = recipe.steps(task.count), Workers.here()
    if task.count < recipe.batch:
        raise InputError(f"A batch is {recipe.batch} pictures, but the data has {task.count}.")
    out.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.Adam(task.plug.parameters)
    step = _restore(out / "checkpoint.pt", task, recipe, optimiser)
    started, sums = time.monotonic(), np.zeros(3)
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step, steps)
        sums += _step(task, recipe, step, workers)
        optimiser.step()
        step += 1
        if workers.rank == 0 and (step % KEEP_EVERY == 0 or step == steps):
            _keep(out / "checkpoint.pt", task, recipe, optimiser, step)
        if step % LOG_EVERY == 0 or step == steps:
            line = dict(zip(("entropy", "dice"), (sums[:2] / sums[2]).round(4), strict=True))
            line |= {"step": step, "seconds": round(time.monotonic() - started, 1)}
            sums[:] = 0
            if workers.rank == 0:
                _log(out, line, report)
    return steps


def _step(task: Task, recipe: Recipe, step: int, workers: Workers) -> np.ndarray:
    """Gradients of one step; sums of both losses, and how many masks they are of."""
    chosen = _deal(task.count, recipe, step)
    task.plug.parts.zero_grad(set_to_none=True)
    groups: dict[int, list[_Question]] = {}
    for number in chosen[workers.rank :: workers.count]:
        for question in _questions(task, recipe, step, number):
            groups.setdefault(len(question.prompts.points), []).append(question)
    sums = np.zeros(3)
    with task.plug.plugged():
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


def _deal(count: int, recipe: Recipe, step: int) -> list[int]:
    """The pictures of a step: every epoch a new order."""
    first = step * recipe.batch
    chosen = []
    for place in range(first, first + recipe.batch):
        epoch, rank = divmod(place, count)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(count)
        chosen.append(int(order[rank]))
    return chosen


def _questions(task: Task, recipe: Recipe, step: int, number: int) -> list[_Question]:
    chance = np.random.default_rng((recipe.seed, step, number))
    image, mask = task.pictures(number)
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


def _judge(
    backbone: Backbone, group: Sequence[_Question]
) -> tuple[torch.Tensor, torch.Tensor]:
    answers = backbone.decode_batch(
        [question.embedding for question in group],
        [question.prompts for question in group],
        multimask=False,
    )
    logits = torch.cat([answer.logits for answer in answers])
    truth = torch.stack([question.truth for question in group]).to(logits.device)
    places = torch.stack([question.places for question in group]).to(logits.device)
    return point_losses(logits, truth, places)


def _log(
    out: Path, line: dict[str, float], report: Callable[[dict[str, float]], None] | None
) -> None:
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    if report is not None:
        report(line)


def _facts(recipe: Recipe) -> dict[str, Any]:
    return asdict(replace(recipe, proportions=dict(recipe.proportions)))


def _keep(path: Path, task: Task, recipe: Recipe, optimiser: Any, step: int) -> None:
    temporary = path.with_suffix(".tmp")
    state = {
        "recipe": _facts(recipe),
        "model": task.backbone.name,
        "parts": task.plug.parts.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    torch.save(state, temporary)
    temporary.replace(path)


def _restore(path: Path, task: Task, recipe: Recipe, optimiser: Any) -> int:
    """Take a run up where its checkpoint left it; gives its step, 0 without one."""
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True, map_location=task.backbone.device)
    if saved["recipe"] != _facts(recipe) or saved["model"] != task.backbone.name:
        raise InputError(
            f"{path} is at step {saved['step']} of {saved['recipe']} with {saved['model']}; give "
            f"another output folder, or that recipe and model to go on."
        )
    task.plug.parts.load_state_dict(saved["parts"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"])
