"""`persam dreambooth`: masks for trainers, our own trainer, proof that masks were used, scores."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from persam.cli.console import progress, say
from persam.cli.dreambooth_prepare import prepare
from persam.cli.model_args import DeviceOption, Precision

if TYPE_CHECKING:
    from persam.dreambooth.check import PictureCheck

dreambooth = typer.Typer(
    help="Teach a diffusion model one subject, without its background.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead, for scripts.")]


@dreambooth.callback()
def _group() -> None:
    """Teach a diffusion model one subject, without its background."""


dreambooth.command()(prepare)


@dreambooth.command()
def train(
    subject: Annotated[Path, typer.Argument(help="A folder of `persam dreambooth prepare`.")],
    base: Annotated[
        str,
        typer.Option(
            "--base", help="Stable Diffusion or SDXL: Hugging Face id, folder, .safetensors file."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; one that is there goes on.")
    ] = None,
    *,
    base_config: Annotated[
        Path | None,
        typer.Option(
            "--base-config",
            help="Folder in diffusers' layout, weights not needed, that describes a .safetensors "
            "file. Left out: the hub's.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train all of the U-Net instead of a LoRA.")
    ] = False,
    rank: Annotated[int, typer.Option("--rank", help="Of the LoRA.")] = 16,
    steps: Annotated[int, typer.Option("--steps", help="Optimiser steps.")] = 800,
    batch: Annotated[
        int, typer.Option("--batch", help="Photos a step; as many of the class come to them.")
    ] = 1,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="1e-4 for a LoRA, 5e-6 for --full.")
    ] = None,
    prior_weight: Annotated[
        float, typer.Option("--prior-weight", help="Of prior preservation; 0 switches it off.")
    ] = 1.0,
    prior_pictures: Annotated[
        int, typer.Option("--prior-pictures", help="How many of the class are drawn first.")
    ] = 100,
    without_masks: Annotated[
        bool, typer.Option("--without-masks", help="Train on all of the photos, to compare.")
    ] = False,
    resolution: Annotated[
        int | None, typer.Option("--resolution", help="Left out: the subject's.")
    ] = None,
    prediction: Annotated[
        Literal["auto", "epsilon", "v_prediction"],
        typer.Option("--prediction", help="What the model predicts; auto asks its scheduler."),
    ] = "auto",
    sample_prompt: Annotated[
        list[str] | None,
        typer.Option("--sample-prompt", help="Drawn on the way. May be given again."),
    ] = None,
    sample_every: Annotated[
        int, typer.Option("--sample-every", help="After so many steps, and at the end.")
    ] = 200,
    sample_steps: Annotated[int, typer.Option("--sample-steps", help="Steps of the sampler.")] = 30,
    keep_every: Annotated[
        int, typer.Option("--keep-every", min=1, help="A checkpoint after so many steps.")
    ] = 100,
    save_memory: Annotated[
        bool, typer.Option("--save-memory", help="Slower, with far less memory.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision, typer.Option("--precision", help="Of the frozen parts and the arithmetic.")
    ] = "auto",
) -> None:
    """Train a LoRA, or the whole U-Net, with the loss on the subject alone.

    The same command goes on with a run that was stopped.
    """
    from persam.dreambooth.recipe import DreamBoothRecipe, SamplingOptions
    from persam.dreambooth.training import DreamBoothRun
    from persam.dreambooth.training import train as start

    recipe = DreamBoothRecipe(
        kind="full" if full else "lora",
        rank=rank,
        steps=steps,
        batch=batch,
        learning_rate=(5e-6 if full else 1e-4) if learning_rate is None else learning_rate,
        prior_weight=prior_weight,
        prior_pictures=prior_pictures,
        masked=not without_masks,
        resolution=resolution or 0,
        prediction=prediction,
        precision=precision,
        save_memory=save_memory,
        seed=seed,
    )
    sampling = SamplingOptions(tuple(sample_prompt or ()), sample_every, sample_steps, seed=seed)
    run = DreamBoothRun(
        subject, base, out or subject / "run", sampling, keep_every, device, base_config
    )
    with progress(steps, "Training") as step:
        path = start(run, recipe, lambda _: step())
    say(f"Trained: {path}")
    say(f"See that the masks were used: persam dreambooth check {run.out}")


@dreambooth.command()
def check(
    run: Annotated[Path, typer.Argument(help="The --out folder of `persam dreambooth train`.")],
    json: JsonOption = False,
) -> None:
    """Say whether the masks were used: which cells counted, and what happened off them.

    Exit code: 0 they were, 1 they were not.
    """
    from persam.dreambooth.check import check_run

    found = check_run(run)
    if json:
        say(json_format.dumps(dataclasses.asdict(found), indent=2))
    else:
        say(f"{found.steps} steps. Mean errors of the first and the last third:")
        for picture in found.pictures:
            say(f"  {_described(picture)}")
        say(found.verdict)
    if not found.used:
        raise typer.Exit(1)


@dreambooth.command()
def score(
    samples: Annotated[Path, typer.Argument(help="Folder of samples, prompts in <stem>.txt.")],
    subject: Annotated[
        Path, typer.Option("--subject", help="A folder of `persam dreambooth prepare`.")
    ],
    clip: Annotated[
        str, typer.Option("--clip", help="For CLIP-I and CLIP-T.")
    ] = "openai/clip-vit-base-patch32",
    dino: Annotated[
        str, typer.Option("--dino", help="For DINO and the backgrounds.")
    ] = "facebook/dino-vits16",
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Compare samples with the photos: the subject, the prompt, and the background."""
    from persam.dreambooth import features, scoring
    from persam.dreambooth.subject_finder import subject_finder

    finder = subject_finder(subject, device)
    eyes = features.load_clip(clip, device), features.load_dino(dino, device)
    found = dataclasses.asdict(scoring.score(samples, subject, *eyes, finder))
    if json:
        say(json_format.dumps(found, indent=2))
        return
    for name, value in found.items():
        say(f"{name.replace('_', ' '):20} {'-' if value is None else value}")


def _described(picture: PictureCheck) -> str:
    ends = {"inside": picture.inside, "outside": picture.outside}
    errors = [f"{k} {v[0]:.4f} -> {v[1]:.4f}" for k, v in ends.items() if v is not None]
    return (
        f"{picture.name}: {picture.share:.1%} of its cells trained on, shown {picture.seen} "
        f"times, {', '.join([*errors, f'gradient outside {picture.leak:g}'])}"
    )
