"""Train the built-in model: ``persam train pocket``.

One step: draw pictures of one object and photos of many things, lay the former into scenes, encode
the scenes once, ask six kinds of questions about each, and follow the sum of the losses. Chance
comes from generators that are seeded by the step's number, so a run that is stopped goes on to the
same weights.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam.errors import InputError
from persam.models.loading import choose_device
from persam.runs import cut_steps
from persam.training import decoder_calls, episodes
from persam.training.data import TrainingData
from persam.training.losses import WHOLE_OTHERS_WEIGHT, Losses, Wanted, judge
from persam.training.parts import part
from persam.training.processes import Workers
from persam.training.run_folder import CHECKPOINT, LOG, log, opened
from persam.training.state import WEIGHTS, Initial, average, keep, restore, set_rate, trained
from persam.training.validation import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.models.pocket.encoder import Features
    from persam.models.pocket.network import DecoderOutput, PocketModel
    from persam.training.episodes import Episodes
    from persam.training.scenes import Scenes
    from persam.training.state import Recipe, State

LOG_EVERY, KEEP_EVERY = 20, 50
PART_SHARE = 0.2  # of the questions by point and by box that are about parts
BOX_SHARE = 0.4  # of the second steps that have a box, as PerSAM-F's


@dataclass(frozen=True)
class Run:
    """What a training run is given besides its recipe.

    Attributes:
        data: tars or folders of image/mask pairs; of a stem that comes twice, the first counts.
        initial: MobileNetV2's weights, ``conv_00.weight`` ..., or a pocket model's to go on from,
            in a safetensors file.
        scenes: tars of photos with many annotated things.
        second: EfficientNet-Lite0's weights, as :meth:`EfficientNetLite0.load_unfolded` takes
            them; None where the initial weights have them.
        out: folder of ``checkpoint.pt``, ``log.jsonl`` and ``pocket.safetensors``.
        watched: folder in PerSeg's layout that the averaged weights are tried on every so often;
            None for none. It has no say in the weights.
        device: where the model is trained, as in :func:`persam.load`.
    """

    data: Sequence[Path]
    initial: Path
    out: Path
    scenes: Sequence[Path] = ()
    second: Path | None = None
    watched: Path | None = None
    device: str = "auto"


def train(
    run: Run, recipe: Recipe, on_progress: Callable[[dict[str, float]], None] | None = None
) -> Path:
    """Train, or go on where the output folder's checkpoint left off.

    Where torch.distributed is initialised, its processes share the shards of every step; the
    weights are the same as those of one process alone.

    Args:
        run: data and places.
        recipe: everything else that decides the weights.
        on_progress: called with every line of the log.

    Returns:
        The path of the finished weights.

    Raises:
        InputError: unreadable data or too little of it, a device that is not there, a checkpoint
            of another recipe, another run in the folder, or somebody's files in the way.
    """
    device, workers = _place(run)
    # What is wrong with it leaves no folder behind.
    shown, state, watch = prepare(run, recipe, device)
    with opened(run.out, "persam train pocket") as own:
        if workers.rank == 0:
            cut_steps(run.out / LOG, state.step)
        started = time.monotonic()
        while state.step < recipe.steps:
            losses = _step(state, recipe, shown, workers)
            if workers.rank > 0:
                continue  # one process writes
            done = state.step == recipe.steps
            due = watch is not None and watch.due(state.step, last=done)
            if state.step % KEEP_EVERY == 0 or due or done:
                keep(state, recipe, run.out, own)
            if watch is not None and due:
                losses |= watch.look(run.out / WEIGHTS[16], device)
            if state.step % LOG_EVERY == 0 or due or done:
                seconds = round(time.monotonic() - started, 1)
                log(run.out, {"step": state.step, "seconds": seconds, **losses}, on_progress)
    return run.out / WEIGHTS[16]


def prepare(
    run: Run, recipe: Recipe, device: torch.device
) -> tuple[TrainingData, State, Watch | None]:
    """Read everything that a run needs, before anything is written.

    Raises:
        InputError: as :func:`train`.
    """
    shown = TrainingData.read(run.data, run.scenes, recipe)
    watch = None if run.watched is None else Watch(run.watched)
    initial = Initial(run.initial, run.second)
    return shown, restore(run.out / CHECKPOINT, recipe, initial, device), watch


def _place(run: Run) -> tuple[torch.device, Workers]:
    device, workers = choose_device(run.device), Workers.here()
    if workers.count > 1 and device.type != "cpu":
        raise InputError(
            f"Several processes share the work of a CPU; the device is {device}. Give "
            f"`--processes 1`, or `--device cpu`."
        )
    return device, workers


def computes_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 itself; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch does not say
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _step(state: State, recipe: Recipe, shown: TrainingData, workers: Workers) -> dict[str, float]:
    seed = recipe.seed * 1_000_003 + state.step
    set_rate(state, recipe)
    state.optimiser.zero_grad(set_to_none=True)
    results: dict[str, Losses] = {}
    device = state.model.prompt_encoder.not_a_point_embed.weight.device
    dealt, total = shown.deal(recipe, seed), torch.zeros((), device=device)
    for shard in range(workers.rank, recipe.shards, workers.count):
        generator = torch.Generator(device).manual_seed(seed * recipe.shards + shard)
        batch = shown.scenes(dealt[shard], state.model.square, generator)
        results = _learn(state.model, batch, recipe.questions, generator)
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
        for key in ("single_iou", "best_iou", "chosen_iou")
    } | {"loss": round(float(total.detach()), 4)}


def _learn(
    model: PocketModel, batch: Scenes, questions: int, generator: torch.Generator
) -> dict[str, Losses]:
    device = generator.device
    with torch.autocast(device.type, torch.bfloat16, enabled=computes_bf16(device)):
        features = model.vision_encoder(batch.pixels.contiguous(memory_format=torch.channels_last))
        drawn = episodes.draw(batch, features, questions, generator)
        asker = _Asker(model, features, batch, generator)
        return asker.cascade(drawn) | asker.told(questions)


@dataclass(frozen=True, eq=False)
class _Asker:
    """Asks the model about a batch of scenes and judges what it answers."""

    model: PocketModel
    features: Features
    batch: Scenes
    generator: torch.Generator

    def cascade(self, drawn: Episodes) -> dict[str, Losses]:
        """PerSAM's three steps, each from what the model made of the one before."""
        wanted = self._wanted(drawn.scene, drawn.truth)
        first = decoder_calls.concept_question(drawn, self.model.square, self.generator)
        answer = self._ask(drawn.scene, first)
        losses = {"concept": judge(answer, wanted, others=WHOLE_OTHERS_WEIGHT)}
        logits = decoder_calls.first_logits(answer, self.generator)
        for name, box in (("mask", self._chance() < BOX_SHARE), ("box", True)):
            again = decoder_calls.refining_question(first, logits, self.model.square, box=box)
            answer = self._ask(drawn.scene, again)
            losses[f"step_{name}"] = judge(answer, wanted, others=WHOLE_OTHERS_WEIGHT)
            logits = decoder_calls.best_logits(answer)
        return losses

    def told(self, questions: int) -> dict[str, Losses]:
        """Points and boxes, each kind about objects of its own."""
        asked = {
            "point": decoder_calls.point_question,
            "points": decoder_calls.points_question,
            "box": decoder_calls.box_question,
        }
        losses = {}
        for name, question in asked.items():
            scene, truth = episodes.targets(self.batch, questions, self.generator)
            wanted = self._wanted(scene, truth)
            partly = self._chance() < PART_SHARE
            if partly:
                cells = wanted.truth.shape[-1]
                pixels = F.interpolate(self.batch.pixels, (cells, cells), mode="area")[scene]
                found = part(wanted.truth, pixels, self.generator)
                wanted = replace(wanted, truth=found)
            asks = question(wanted.truth, self.model.square, self.generator)
            # The single mask is for the whole object; a point on a part may be about either.
            single = 0.0 if partly and name == "point" else 1.0
            losses[name] = judge(self._ask(scene, asks), wanted, single)
        return losses

    def _ask(self, scene: torch.Tensor, question: decoder_calls.Question) -> DecoderOutput:
        return decoder_calls.ask(self.model, self.features, scene, question)

    def _wanted(self, scene: torch.Tensor, truth: torch.Tensor) -> Wanted:
        cells = 4 * self.features.mask.shape[-1]
        small = F.interpolate(truth[:, None], (cells, cells), mode="area")[:, 0]
        ignored = F.interpolate(self.batch.ignored[:, None].float(), (cells, cells), mode="area")
        return Wanted(small, ignored[scene, 0] > 0.5)

    def _chance(self) -> float:
        return float(torch.rand((), generator=self.generator, device=self.generator.device))
