"""Stable Diffusion 1.x, 2.x and SDXL behind one face: the only file that tells them apart."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from persam.dreambooth.single_file import read_single_file
from persam.errors import InputError, MissingExtra, ModelNotFound
from persam.models.loading import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.dreambooth.recipe import DreamBoothRecipe, PredictionType, SamplingOptions

_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


@dataclass(frozen=True, eq=False)
class Condition:
    """The conditioning of the U-Net: text states and, for SDXL, pooled text and sizes.

    Attributes:
        states: ``(n, tokens, d)`` of the prompt.
        pooled: ``(n, p)`` of the prompt; None but for SDXL.
        times: ``(n, 6)`` sizes and crop (SDXL); None likewise.
    """

    states: torch.Tensor
    pooled: torch.Tensor | None = None
    times: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Base:
    """A diffusion model, frozen.

    Attributes:
        name: as it was asked for.
        pipeline: diffusers' own, with the model's sampler.
        noise: the schedule of training.
        device: where everything is.
        dtype: number format of the frozen parts and of the arithmetic.
    """

    name: str
    pipeline: Any
    noise: Any
    device: torch.device
    dtype: torch.dtype

    @property
    def unet(self) -> Any:
        """The network that is trained."""
        return self.pipeline.unet

    @property
    def xl(self) -> bool:
        """Whether this is SDXL."""
        return type(self.pipeline).__name__ == _PIPELINES[1]

    def arithmetic(self) -> torch.autocast:
        """The number format of the U-Net's arithmetic, as a context."""
        lower = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower)

    @torch.no_grad()
    def prompt(self, text: str) -> Condition:
        """Encode one prompt."""
        encoded = self.pipeline.encode_prompt(text, device=self.device, **self._alone())
        return Condition(encoded[0], encoded[2] if self.xl else None)

    @torch.no_grad()
    def latents(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the scaled latents of ``(n, 3, H, W)`` in -1..1, on the CPU."""
        spread = self.pipeline.vae.encode(pixels.to(self.device, torch.float32)).latent_dist
        scale = self.pipeline.vae.config.scaling_factor
        return (spread.mean * scale).cpu(), (spread.std * scale).cpu()

    def predict(
        self, noisy: torch.Tensor, times: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """Ask the U-Net; ``(n, c, h, w)`` in, the same out."""
        added = None
        if self.xl:
            added = {"text_embeds": condition.pooled, "time_ids": condition.times}
        with self.arithmetic():
            return self.unet(noisy, times, condition.states, added_cond_kwargs=added).sample

    def target(
        self, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """What the U-Net should have said."""
        if self.noise.config.prediction_type == "epsilon":
            return noise
        return self.noise.get_velocity(latents, noise, times)

    @torch.no_grad()
    def draw(self, prompt: str, seed: int, side: int, sampling: SamplingOptions) -> Any:
        """Draw one picture, a PIL image of ``side`` pixels."""
        with self.arithmetic():
            drawn = self.pipeline(
                prompt,
                height=side,
                width=side,
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                generator=torch.Generator().manual_seed(seed),
                output_type="latent",
            )
        # SDXL's autoencoder overflows in float16, so it always works in float32.
        vae = self.pipeline.vae
        pixels = vae.decode(drawn.images.float() / vae.config.scaling_factor).sample
        return self.pipeline.image_processor.postprocess(pixels, output_type="pil")[0]

    def _alone(self) -> dict[str, Any]:
        return {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}


def load_base(
    name: str | Path, device: str, recipe: DreamBoothRecipe, config: Path | None = None
) -> Base:
    """Load a model to train on.

    Args:
        name: a Hugging Face id or a folder, in diffusers' layout; or a ``.safetensors`` file.
        device: as in :func:`persam.load`.
        recipe: says precision and kind of prediction, and whether the U-Net is trained itself.
        config: of a file, as in :func:`persam.dreambooth.single_file.read_single_file`.

    Raises:
        InputError: neither Stable Diffusion nor SDXL, or of another kind of prediction.
        ModelNotFound: not on this machine and not downloadable.
        MissingExtra: diffusers is not installed.
    """
    diffusers = import_diffusers()
    place = choose_device(device)
    dtype = choose_precision(recipe.precision, place)
    with _quietly(diffusers):
        if Path(name).suffix == ".safetensors" or Path(name).is_file():
            pipeline = read_single_file(diffusers, Path(name), config, dtype)
        else:
            pipeline = _read_pipeline(diffusers, str(name), dtype)
        for part in (pipeline.unet, pipeline.vae, *_text_encoders(pipeline)):
            part.requires_grad_(False).eval()
        pipeline.vae.float()
        if recipe.kind == "full":
            pipeline.unet.float()
        pipeline.to(place)
    pipeline.set_progress_bar_config(disable=True)
    noise = _schedule(diffusers, pipeline, recipe.prediction)
    return Base(str(name), pipeline, noise, place, dtype)


def import_diffusers() -> Any:
    """Import diffusers, and see that what it needs for LoRA is there.

    Raises:
        MissingExtra: something is not installed.
    """
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()  # it would name every image processor that torchvision speeds up
    try:
        for name in ("peft", "accelerate"):
            importlib.import_module(name)
        diffusers = importlib.import_module("diffusers")
        for pipeline in _PIPELINES:
            getattr(diffusers, pipeline)
        return diffusers
    except ImportError as error:
        raise MissingExtra(
            f"Training needs diffusers, peft and accelerate ({error}): "
            f"pip install 'persam[dreambooth]'"
        ) from error
    finally:
        logging.set_verbosity(before)


def _read_pipeline(diffusers: Any, name: str, dtype: torch.dtype) -> Any:
    try:
        kind = diffusers.DiffusionPipeline.load_config(name)["_class_name"]
        if kind not in _PIPELINES:
            raise InputError(
                f"{name} is a {kind}; `persam dreambooth train` knows Stable Diffusion 1.x and "
                f"2.x and SDXL. For other models, the folders for kohya's scripts and OneTrainer "
                f"and persam.dreambooth.masked_loss are there."
            )
        unchecked = {"safety_checker": None} if kind == _PIPELINES[0] else {}
        return getattr(diffusers, kind).from_pretrained(name, dtype=dtype, **unchecked)
    except OSError as error:
        raise ModelNotFound(
            f"{_what_is_there(name)} Give a Hugging Face id, as "
            f"stable-diffusion-v1-5/stable-diffusion-v1-5, a folder in diffusers' layout or a "
            f".safetensors file."
        ) from error


def _what_is_there(name: str) -> str:
    if Path(name).is_dir():
        return f"The folder {name} has no readable model_index.json, so it is no diffusion model."
    return f"The diffusion model {name} is neither on this machine nor could it be downloaded."


@contextmanager
def _quietly(diffusers: Any) -> Iterator[None]:
    """Load without remarks; the bars of downloads stay."""
    log = diffusers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before[0])
        if before[1]:
            log.enable_progress_bar()


def _text_encoders(pipeline: Any) -> list[Any]:
    names = ("text_encoder", "text_encoder_2")
    return [part for name in names if (part := getattr(pipeline, name, None)) is not None]


def _schedule(diffusers: Any, pipeline: Any, prediction: PredictionType) -> Any:
    schedule = diffusers.DDPMScheduler.from_config(pipeline.scheduler.config)
    if prediction != "auto":
        schedule.register_to_config(prediction_type=prediction)
        pipeline.scheduler.register_to_config(prediction_type=prediction)
    kind = schedule.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise InputError(
            f"The base model's scheduler predicts {kind!r}; epsilon and v_prediction can be "
            f"trained. Say which one it is with --prediction, if the scheduler's file is wrong."
        )
    return schedule
