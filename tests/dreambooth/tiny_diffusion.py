"""Tiny diffusion pipelines with random weights, of diffusers' own classes: no download."""

from __future__ import annotations

import json
import re
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


def single_file(model: Path, path: Path) -> Path:
    """Write a tiny Stable Diffusion as one file, named as the first releases named its parts."""
    import diffusers
    from safetensors.torch import save_file

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(model, safety_checker=None)
    tensors = {
        f"model.diffusion_model.{_renamed(name, _UNET_NAMES)}": tensor
        for name, tensor in pipeline.unet.state_dict().items()
    }
    for name, tensor in pipeline.vae.state_dict().items():
        tensors[f"first_stage_model.{_renamed(name, _VAE_NAMES)}"] = tensor
    for name, tensor in pipeline.text_encoder.state_dict().items():
        inner = name.removeprefix("text_model.")
        tensors[f"cond_stage_model.transformer.text_model.{inner}"] = tensor
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def _renamed(name: str, rules: list[tuple[str, str]]) -> str:
    for old, new in rules:
        name = re.sub(old, new, name)
    return name


_RESNET_NAMES = [
    (r"(resnets.*)norm1", r"\1in_layers.0"),
    (r"(resnets.*)conv1", r"\1in_layers.2"),
    (r"(resnets.*)norm2", r"\1out_layers.0"),
    (r"(resnets.*)conv2", r"\1out_layers.3"),
    (r"time_emb_proj", "emb_layers.1"),
    (r"conv_shortcut", "skip_connection"),
]
# Two levels of one layer: see `_unet`.
_UNET_NAMES = [
    *_RESNET_NAMES,
    (r"^conv_in", "input_blocks.0.0"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^down_blocks\.1\.attentions\.0", "input_blocks.3.1"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"^up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"^up_blocks\.0\.attentions\.(\d)", r"output_blocks.\1.1"),
    (r"^up_blocks\.0\.upsamplers\.0\.conv", "output_blocks.1.2.conv"),
    (r"^up_blocks\.1\.resnets\.0", "output_blocks.2.0"),
    (r"^up_blocks\.1\.resnets\.1", "output_blocks.3.0"),
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
]
_VAE_NAMES = [
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"group_norm", "norm"),
    (r"to_out\.0", "proj_out"),
    (r"to_([qkv])\.", r"\1."),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.0\.resnets", "up.1.block"),  # from the last to the first
    (r"up_blocks\.1\.resnets", "up.0.block"),
    (r"up_blocks\.0\.upsamplers\.0", "up.1.upsample"),
]


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
