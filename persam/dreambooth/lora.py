"""What is trained of a U-Net, and the files that it is kept in: LoRA in two formats, or all."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save as pack

from persam.errors import InputError
from persam.io.digest import with_digest
from persam.io.own_files import OwnFiles, file_sha256

if TYPE_CHECKING:
    from persam.dreambooth.components import Base
    from persam.dreambooth.recipe import DreamBoothRecipe

LORA, KOHYA, UNET = "lora.safetensors", "lora-kohya.safetensors", "unet"
_ATTENTIONS = ["to_q", "to_k", "to_v", "to_out.0"]
_BLOCK = re.compile(r"lora_unet_(down|up)_blocks_(\d+)_attentions_(\d+)_")


def make_trainable(base: Base, recipe: DreamBoothRecipe) -> dict[str, torch.nn.Parameter]:
    """Choose what is trained, adding LoRA's matrices where they are asked for.

    LoRA starts as nothing: its first answers are the base model's.

    Returns:
        The parameters by name, float32.
    """
    unet = base.unet
    if recipe.kind == "full":
        unet.requires_grad_(True)
    else:
        from peft import LoraConfig

        torch.manual_seed(recipe.seed)
        unet.add_adapter(
            LoraConfig(
                r=recipe.rank,
                lora_alpha=recipe.rank,
                init_lora_weights="gaussian",
                target_modules=_ATTENTIONS,
            )
        )
    chosen = {name: p for name, p in unet.named_parameters() if p.requires_grad}
    if not chosen:
        raise InputError("The U-Net has no attentions that LoRA could be put beside.")
    for parameter in chosen.values():
        parameter.data = parameter.data.float()
    if recipe.save_memory:
        unet.enable_gradient_checkpointing()
    return chosen


def refuse_others(own: OwnFiles) -> None:
    """Refuse to train into a folder whose weights are not a run's own any more.

    Raises:
        InputError: somebody has changed them, or persam did not write them.
    """
    inside = (path for path in (own.folder / UNET).rglob("*") if path.is_file())
    for path in (own.folder / LORA, own.folder / KOHYA, *inside):
        own.refuse_others(path)


def save_trained(base: Base, recipe: DreamBoothRecipe, own: OwnFiles) -> Path:
    """Write what was trained, each file whole: LoRA for diffusers and kohya's, or the U-Net.

    Args:
        base: the trained model.
        recipe: of the run.
        own: which files of its folder are the program's.

    Returns:
        The LoRA for diffusers, or the U-Net's folder.

    Raises:
        InputError: a file cannot be written, or would take the place of a person's.
    """
    refuse_others(own)
    out = own.folder
    if recipe.kind == "full":
        part = out / f"{UNET}.part"
        base.unet.save_pretrained(part)
        for path in part.rglob("*"):
            if path.is_file():
                own.announce(out / UNET / path.relative_to(part), str(file_sha256(path)))
        shutil.rmtree(out / UNET, ignore_errors=True)
        part.replace(out / UNET)
        return out / UNET
    from peft.utils import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(base.unet)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    type(base.pipeline).save_lora_weights(
        out, unet_lora_layers=tensors, weight_name=LORA, save_function=partial(_write, own)
    )
    facts = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(recipe.rank),
        "ss_network_alpha": str(float(recipe.rank)),
    }
    _write(own, kohya_names(tensors, base), out / KOHYA, facts)
    return out / LORA


def kohya_names(tensors: dict[str, torch.Tensor], base: Base) -> dict[str, torch.Tensor]:
    """Name LoRA's matrices as kohya's sd-scripts do, and give each pair its alpha.

    Of SDXL, kohya's scripts name blocks as Stability's own code does.

    Args:
        tensors: as peft names them, of the U-Net.
        base: says which of the two it is, and how many layers a block has.
    """
    from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya

    named = convert_state_dict_to_kohya({f"unet.{name}": t for name, t in tensors.items()})
    # alphas come as whole numbers; kohya's scripts write them as floats
    named = {name: t.float() if name.endswith(".alpha") else t for name, t in named.items()}
    if not base.xl:
        return named
    layers = base.unet.config.layers_per_block
    return {_stability_name(name, layers): tensor for name, tensor in named.items()}


def _stability_name(name: str, layers: int) -> str:
    """Name a block of SDXL by its place in one list of inputs or outputs.

    Example:
        >>> _stability_name("lora_unet_down_blocks_1_attentions_0_proj", 2)
        'lora_unet_input_blocks_4_1_proj'
    """
    name = name.replace("lora_unet_mid_block_attentions_0_", "lora_unet_middle_block_1_")

    def place(found: re.Match[str]) -> str:
        number = int(found[2]) * (layers + 1) + int(found[3])
        if found[1] == "down":  # the first input is the convolution before all blocks
            return f"lora_unet_input_blocks_{number + 1}_1_"
        return f"lora_unet_output_blocks_{number}_1_"

    return _BLOCK.sub(place, name)


def _write(
    own: OwnFiles, tensors: Any, path: str | Path, metadata: dict[str, str] | None = None
) -> None:
    own.write(Path(path), with_digest(pack(tensors, {"format": "pt", **(metadata or {})})))
