"""Train the built-in model: ``persam train pocket``.

One step: draw pictures, lay them into scenes, encode the scenes once, ask four kinds of questions
about each, and follow the sum of the losses. Chance comes from generators that are seeded by the
step's number, so a run that is stopped goes on to the same weights.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam.errors import InputError
from persam.io.pairs import read_pairs
from persam.models.loading import choose_device
from persam.training import asking, episodes, pictures, scenes
from persam.training.batches import Deck
from persam.training.losses import Losses, judge
from persam.training.parts import part
from persam.training.processes import Workers
from persam.training.state import WEIGHTS, average, keep, restore, set_rate, trained
from persam.training.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.models.pocket.network import DecoderOutput, PocketModel
    from persam.training.state import Recipe, State

LOG_EVERY, KEEP_EVERY = 20, 100
PART_SHARE = 0.25  # of the questions by point and by box that are about parts


@dataclass(frozen=True)
class Run:
    """What a training run is given besides its recipe.

    Attributes:
        data: tars or folders of image/mask pairs.
        initial: MobileNetV2's weights, ``conv_00.weight`` ..., or a pocket model's to go on from,
            in a safetensors file.
        out: folder of ``checkpoint.pt``, ``log.jsonl`` and ``pocket.safetensors``.
        watched: folder in PerSeg's layout that the averaged weights are tried on every so often;
            None for none. It has no say in the weights.
        device: where the model is trained, as in :func:`persam.load`.
    """

    data: Sequence[Path]
    initial: Path
    out: Path
    watched: Path | None = None
    device: str = "auto"


def train(
    run: Run, recipe: Recipe, report: Callable[[dict[str, float]], None] | None = None
) -> Path:
    """Train, or go on where the output folder's checkpoint left off.

    Where torch.distributed is initialised, its processes share the shards of every step; the
    weights are the same as those of one process alone.

    Args:
        run: data and places.
        recipe: everything else that decides the weights.
        report: called with every line of the log.

    Returns:
        The path of the finished weights.

    Raises:
        InputError: unreadable data or too little of it, a device that is not there, or a checkpoint
            of another recipe.
    """
    device, workers = _place(run)
    deck, state, watch = prepare(run, recipe, device)
    run.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    while state.step < recipe.steps:
        losses = _step(state, recipe, deck, workers)
        if workers.rank > 0:
            continue  # one process writes
        done = state.step == recipe.steps
        due = watch is not None and watch.due(state.step, last=done)
        if state.step % KEEP_EVERY == 0 or due or done:
            keep(state, recipe, run.out)
        if watch is not None and due:
            losses |= watch.look(run.out / WEIGHTS[16], device)
        if state.step % LOG_EVERY == 0 or due or done:
            seconds = round(time.monotonic() - started, 1)
            _log(run.out, {"step": state.step, "seconds": seconds, **losses}, report)
    return run.out / WEIGHTS[16]


def prepare(run: Run, recipe: Recipe, device: torch.device) -> tuple[Deck, State, Watch | None]:
    """Read everything that a run needs, before anything is written.

    Raises:
        InputError: as :func:`train`.
    """
    deck = Deck(read_pairs(run.data))
    if len(deck.pairs) < recipe.batch:
        raise InputError(f"A batch is {recipe.batch} pictures, but the data has {len(deck.pairs)}.")
    watch = None if run.watched is None else Watch(run.watched)
    return deck, restore(run.out / "checkpoint.pt", recipe, run.initial, device), watch


def _place(run: Run) -> tuple[torch.device, Workers]:
    device, workers = choose_device(run.device), Workers.here()
    if workers.count > 1 and device.type != "cpu":
        raise InputError(
            f"Several processes share the work of a CPU; the device is {device}. Give "
            f"`--processes 1`, or `--device cpu`."
        )
    return device, workers


def _log(
    out: Path, line: dict[str, float], report: Callable[[dict[str, float]], None] | None
) -> None:
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    if report is not None:
        report(line)


def computes_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 itself; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch does not say
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _step(state: State, recipe: Recipe, deck: Deck, workers: Workers) -> dict[str, float]:
    seed = recipe.seed * 1_000_003 + state.step
    dealt = deck.deal(recipe.batch, recipe.shards, torch.Generator().manual_seed(seed))
    state.model.resize(recipe.side(state.step))
    set_rate(state, recipe)
    state.optimiser.zero_grad(set_to_none=True)
    results: dict[str, Losses] = {}
    device = state.model.prompt_encoder.not_a_point_embed.weight.device
    for shard in range(workers.rank, recipe.shards, workers.count):
        generator = torch.Generator(device).manual_seed(seed * recipe.shards + shard)
        results = _learn(state.model, deck, dealt[shard], recipe.questions, generator)
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
    model: PocketModel,
    deck: Deck,
    chosen: torch.Tensor,
    questions: int,
    generator: torch.Generator,
) -> dict[str, Losses]:
    drawn = [pictures.decode(deck.pairs[i], model.square) for i in chosen.tolist()]
    device = generator.device
    batch = scenes.compose(
        torch.stack([p for p, _ in drawn]).to(device),
        torch.stack([m for _, m in drawn]).to(device),
        deck.classes[chosen].to(device),
        generator,
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=computes_bf16(device)):
        return _ask_all(model, batch, questions, generator)


def _ask_all(
    model: PocketModel, batch: scenes.Scenes, questions: int, generator: torch.Generator
) -> dict[str, Losses]:
    """Ask by concept, point and box, and refine one of the answers."""
    features = model.vision_encoder(batch.pixels.contiguous(memory_format=torch.channels_last))
    drawn = episodes.draw(batch, features, questions, generator)
    side, cells = batch.pixels.shape[-1], 4 * features.mask.shape[-1]
    truth = F.interpolate(drawn.truth[:, None], (cells, cells), mode="area")[:, 0]
    there = truth.flatten(1).amax(1) > 0.5
    coins = torch.rand(7, generator=generator, device=generator.device).tolist()
    whole = truth[there]
    pixels = F.interpolate(batch.pixels, (cells, cells), mode="area")[drawn.scene[there]]
    pointed = part(whole, pixels, generator) if coins[5] < PART_SHARE else whole
    boxed = part(whole, pixels, generator) if coins[6] < PART_SHARE else whole

    def ask(question: asking.Question, rows: torch.Tensor, *, multimask: bool) -> DecoderOutput:
        return asking.ask(model, features, drawn.scene[rows], question, multimask=multimask)

    everything = torch.ones_like(there)
    concept = asking.concept_question(drawn, side, generator)
    point = asking.point_question(pointed, side, generator)
    box = asking.box_question(boxed, side, generator)
    first = ask(concept, everything, multimask=coins[0] < 0.5)
    # The single mask is for the whole object; a point on a part may be about either.
    by_point = ask(point, there, multimask=coins[1] < 0.5 or pointed is not whole)
    by_box = ask(box, there, multimask=coins[2] < 0.5)
    again = concept, first, everything, truth
    if coins[3] < 0.5:
        again = point, by_point, there, pointed
    refining = asking.refining_question(*again[:2], side, box=coins[4] < 0.5)
    refined = ask(refining, again[2], multimask=True)
    return {
        "concept": judge(first, truth),
        "point": judge(by_point, pointed),
        "box": judge(by_box, boxed),
        "refined": judge(refined, again[3]),
    }
