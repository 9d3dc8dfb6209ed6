"""Stable Diffusion and SDXL of one ``.safetensors`` file, as web interfaces keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from persam.errors import InputError, ModelNotFound, first_line
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from pathlib import Path

    import torch

_UNET = "model.diffusion_model.input_blocks.0.0.weight"
_CHANNELS = 4  # of the latents; models that fill holes take more


def read_single_file(diffusers: Any, path: Path, config: Path | None, dtype: torch.dtype) -> Any:
    """Load a pipeline by diffusers' own converter.

    Args:
        diffusers: the package.
        path: weights of U-Net, autoencoder and text encoders, named as in the first releases.
        config: folder in diffusers' layout that says their sizes and has the tokenizers; its
            weights are not read. None for the hub's of the kind that the file is.
        dtype: of the weights.

    Raises:
        InputError: another kind of file, or one that ``config`` does not fit.
        ModelNotFound: no configuration on this machine, and none could be downloaded.
    """
    kind = _kind(path)
    options: dict[str, Any] = {"safety_checker": None} if kind == "StableDiffusionPipeline" else {}
    if config is not None:
        options["config"] = str(config)
    try:
        pipeline = getattr(diffusers, kind).from_single_file(str(path), dtype=dtype, **options)
    except OSError as error:
        raise ModelNotFound(
            f"{path} holds the weights alone; how large its parts are, and the tokenizer, could "
            f"{'not be downloaded' if config is None else f'not be read from {config}'}. Give a "
            f"folder of such a model in diffusers' layout, which needs no weights: --base-config."
        ) from error
    # The converter looks keys and sizes up as it goes, and fails with whatever that gives.
    except Exception as error:
        raise _unfit(path, config, first_line(error)) from error
    parts = [part for part in pipeline.components.values() if hasattr(part, "named_parameters")]
    empty = [name for part in parts for name, p in part.named_parameters() if p.is_meta]
    if empty:
        raise _unfit(path, config, f"nothing for {empty[0]}")
    return pipeline


def _kind(path: Path) -> str:
    """Name of the pipeline whose weights are in a file."""
    refuse_special(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            channels = file.get_slice(_UNET).get_shape()[1] if _UNET in names else 0
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is no .safetensors file ({error}); of single files, only such are read."
        ) from error
    if channels != _CHANNELS:
        raise InputError(
            f"{path} is no model of Stable Diffusion 1.x, 2.x or SDXL that draws from a "
            f"prompt: its U-Net {f'takes {channels} channels' if channels else 'is not there'}, "
            f"expected one of {_CHANNELS}. A LoRA, an autoencoder or a model that fills holes "
            f"cannot be trained on."
        )
    xl = any(name.startswith("conditioner.embedders.1.") for name in names)
    return "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"


def _unfit(path: Path, config: Path | None, reason: str) -> InputError:
    return InputError(
        f"{path} does not fit the configuration {config or 'of its kind'} ({reason}). Give the "
        f"folder of the model that it was trained from: --base-config."
    )
