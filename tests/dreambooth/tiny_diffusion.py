"""Tiny diffusion pipelines with random weights, of diffusers' own classes: no download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from persam.dreambooth.exports import export
from persam.dreambooth.subject import Choices, SubjectFolder, SubjectPhoto, write_subject
from persam.io.own_files import OwnFiles
from persam.io.writers import write_png, write_text

SIDE = 32  # pixels; an autoencoder of two levels makes 16 x 16 latents of them
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def build(folder: Path, *, xl: bool, prediction: str = "epsilon") -> Path:
    """Write a pipeline as ``from_pretrained`` reads it."""
    import diffusers

    torch.manual_seed(5)
    parts: dict[str, Any] = {
        "vae": _vae(diffusers),
        "text_encoder": _text_encoder(projected=False),
        "tokenizer": _tokenizer(folder / "words"),
        "unet": _unet(diffusers, xl=xl),
        "scheduler": diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            steps_offset=1,
            clip_sample=False,
            set_alpha_to_one=False,
            prediction_type=prediction,
        ),
    }
    if xl:
        parts |= {
            "text_encoder_2": _text_encoder(projected=True),
            "tokenizer_2": parts["tokenizer"],
        }
        pipeline: Any = diffusers.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        pipeline = diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.save_pretrained(folder / "model")
    return folder / "model"


def subject(folder: Path, photos: int = 3, **choices: Any) -> SubjectFolder:
    """Write a subject's folder by hand: a bright square on noise, of another size each time."""
    made = SubjectFolder(folder, Choices("dog", resolution=64, **choices), ())
    rows = []
    for number in range(photos):
        image = np.random.RandomState(number).randint(0, 99, (40, 48, 3), dtype=np.uint8)
        weights = np.zeros((40, 48), dtype=np.uint8)
        weights[4 : 12 + 4 * number, 8 : 24 + 4 * number] = 255
        image[weights > 0] += 140
        photo = SubjectPhoto(
            f"p{number}", f"/photos/p{number}.jpg", True, float(weights.mean()) / 255
        )
        write_png(made.image(photo), image)
        write_png(made.mask(photo), weights)
        write_text(made.caption(photo), "a photo of sks dog\n")
        rows.append(photo)
    whole = SubjectFolder(folder, made.choices, tuple(rows))
    export(whole, OwnFiles(folder))
    write_subject(whole)
    return whole


def pictures(folder: Path, count: int, seed: int = 50) -> Path:
    """Write pictures of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.RandomState(seed + number).randint(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02d}.png")
    return folder


def _vae(diffusers: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=SIDE,
    )


def _unet(diffusers: Any, *, xl: bool) -> Any:
    extra: dict[str, Any] = {"cross_attention_dim": 16}
    if xl:
        extra = {
            "cross_attention_dim": 32,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 16,
        }
    return diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=4,
        **extra,
    )


def _text_encoder(*, projected: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    last = 2 * len(LETTERS) + 1
    config = CLIPTextConfig(
        vocab_size=last + 1,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _tokenizer(folder: Path) -> Any:
    """Spell every word, letter by letter."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    words = [*LETTERS, *(f"{c}</w>" for c in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    return CLIPTokenizer(*files, model_max_length=77)


def build_clip(folder: Path) -> None:
    """Write a tiny CLIP."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(8)
    last = 2 * len(LETTERS) + 1
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    words = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    config = CLIPConfig(
        text_config={**sizes, **words, "vocab_size": last + 1},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    _tokenizer(folder / "words").save_pretrained(folder)


def build_dino(folder: Path) -> None:
    """Write a tiny vision transformer, as the published DINO without a pooling layer."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(9)
    config = ViTConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=40,
        patch_size=8,
        initializer_range=0.3,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
