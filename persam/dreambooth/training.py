"""Train a diffusion model on a subject: ``persam dreambooth train``."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from persam.dreambooth.components import load_base
from persam.dreambooth.data import class_items, subject_items
from persam.dreambooth.journal import PRIOR, Journal
from persam.dreambooth.lora import make_trainable, refuse_others, save_trained
from persam.dreambooth.recipe import SamplingOptions
from persam.dreambooth.sampling import class_pictures, draw_samples
from persam.dreambooth.steps import DreamBoothState, train_step
from persam.dreambooth.subject import read_subject
from persam.io.own_files import OwnFiles
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persam.dreambooth.components import Base
    from persam.dreambooth.data import Item
    from persam.dreambooth.recipe import DreamBoothRecipe

    Report = Callable[[dict[str, Any]], None]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DreamBoothRun:
    """What a training run is given besides its recipe.

    Attributes:
        subject: a folder of ``persam dreambooth prepare``.
        base: Hugging Face id, folder or ``.safetensors`` file of the model.
        out: folder for everything; a run that is there goes on.
        sampling: pictures on the way.
        keep_every: a checkpoint after so many steps, and at the end.
        device: as in :func:`persam.load`.
        base_config: folder with the configuration of a ``.safetensors`` file; None for the hub's.
    """

    subject: Path
    base: str
    out: Path
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    keep_every: int = 100
    device: str = "auto"
    base_config: Path | None = None


def train(run: DreamBoothRun, recipe: DreamBoothRecipe, on_progress: Report | None = None) -> Path:
    """Train, or go on where the output folder's checkpoint left off, to the same weights.

    Chance comes from the seed and the step's number alone, so the checkpoint needs no other state
    of random numbers; on a CPU a run that was stopped ends with the same bits.

    Args:
        run: what with, and where to.
        recipe: everything else that decides the weights.
        on_progress: called with every line of the log.

    Returns:
        The LoRA file for diffusers, or the folder of the trained U-Net.

    Raises:
        InputError: the subject's folder, the model or the settings cannot be used.
        ModelNotFound: no such model.
        MissingExtra: diffusers, peft or accelerate is not installed.
    """
    subject = read_subject(run.subject)
    recipe = replace(recipe, resolution=recipe.resolution or subject.choices.resolution)
    base = load_base(run.base, run.device, recipe, run.base_config)
    devices = [base.device] if base.device.type == "cuda" else []
    with locked(run.out), torch.random.fork_rng(devices):
        journal = Journal(run.out, recipe, run.base, subject)
        own = OwnFiles(run.out)
        refuse_others(own)
        items = subject_items(subject, base, recipe.resolution)
        prior = _prior(run, recipe, base, subject.choices.class_prompt())
        journal.list_pictures(items)
        state = _start(base, recipe, (items, prior), journal)
        base.unet.train()
        _steps(run, state, journal, own, on_progress)
        return save_trained(base, recipe, own)


def _prior(run: DreamBoothRun, recipe: DreamBoothRecipe, base: Base, prompt: str) -> list[Item]:
    if not recipe.prior:
        return []
    pictures = class_pictures(base, prompt, run.out / PRIOR, recipe, run.sampling)
    return class_items(pictures, prompt, base, recipe.resolution)


def _start(
    base: Base, recipe: DreamBoothRecipe, data: tuple[list[Item], list[Item]], journal: Journal
) -> DreamBoothState:
    """Make what is trained, and take it up where the checkpoint left it."""
    parameters = make_trainable(base, recipe)
    optimiser = torch.optim.AdamW(
        parameters.values(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    scaler = torch.amp.GradScaler(base.device.type, enabled=base.dtype == torch.float16)
    state = DreamBoothState(base, recipe, *data, parameters, optimiser, scaler)
    saved = journal.restore(base.device)
    if saved is not None:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(saved["parameters"][name])
        optimiser.load_state_dict(saved["optimiser"])
        scaler.load_state_dict(saved["scaler"])
        state.step = saved["step"]
    return state


def _steps(
    run: DreamBoothRun,
    state: DreamBoothState,
    journal: Journal,
    own: OwnFiles,
    on_progress: Report | None,
) -> None:
    recipe, began = state.recipe, time.monotonic()
    while state.step < recipe.steps:
        line = train_step(state)
        done = state.step == recipe.steps
        line["seconds"] = round(time.monotonic() - began, 2)
        journal.log(line)
        _LOG.info("%s: %s", run.out, line)
        if on_progress is not None:
            on_progress(line)
        if run.sampling.prompts and (done or state.step % run.sampling.every == 0):
            folder = run.out / "samples" / f"step-{state.step:06d}"
            draw_samples(state.base, folder, recipe.resolution, run.sampling, own)
        if done or state.step % run.keep_every == 0:
            journal.keep(_kept(state))


def _kept(state: DreamBoothState) -> dict[str, Any]:
    return {
        "parameters": {name: p.detach() for name, p in state.parameters.items()},
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "step": state.step,
    }
