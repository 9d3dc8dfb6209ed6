"""One file of Stable Diffusion is what the folder is that it was made of."""

from __future__ import annotations

import shutil

import pytest
import tiny_diffusion
import torch
from safetensors.torch import load_file, save_file

from persam.dreambooth.components import load_base
from persam.dreambooth.recipe import DreamBoothRecipe
from persam.errors import InputError, ModelNotFound

RECIPE = DreamBoothRecipe(resolution=32, precision="fp32")


@pytest.fixture(scope="module")
def file(models, tmp_path_factory):
    return tiny_diffusion.single_file(models["sd"], tmp_path_factory.mktemp("f") / "s.safetensors")


@pytest.fixture(scope="module")
def config(models, tmp_path_factory):
    """The folder without its weights."""
    weights = shutil.ignore_patterns("*.safetensors")
    return shutil.copytree(models["sd"], tmp_path_factory.mktemp("c") / "config", ignore=weights)


def test_the_same_network_as_of_the_folder(models, file, config):
    whole, single = load_base(models["sd"], "cpu", RECIPE), load_base(file, "cpu", RECIPE, config)
    for part in ("unet", "vae", "text_encoder"):
        wanted = getattr(whole.pipeline, part).state_dict()
        found = getattr(single.pipeline, part).state_dict()
        assert wanted.keys() == found.keys()
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert torch.equal(whole.prompt("a dog").states, single.prompt("a dog").states)
    assert single.noise.config.prediction_type == "epsilon"


def test_without_a_configuration_what_is_missing_is_said(file, tmp_path):
    with pytest.raises(ModelNotFound, match=r"could not be downloaded.*--base-config"):
        load_base(file, "cpu", RECIPE)
    with pytest.raises(ModelNotFound, match=f"not be read from {tmp_path}"):
        load_base(file, "cpu", RECIPE, tmp_path)


def test_a_configuration_that_does_not_fit(models, file, config, tmp_path):
    with pytest.raises(InputError, match="does not fit the configuration"):
        load_base(file, "cpu", RECIPE, models["xl"])
    less = {k: v for k, v in load_file(file).items() if "middle_block.0" not in k}
    save_file(less, tmp_path / "less.safetensors")
    with pytest.raises(InputError, match="does not fit the configuration"):
        load_base(tmp_path / "less.safetensors", "cpu", RECIPE, config)


def test_other_files(tmp_path, config):
    lora, pickled = tmp_path / "lora.safetensors", tmp_path / "model.ckpt"
    save_file({"lora_unet_down.weight": torch.zeros(2, 2)}, lora)
    pickled.write_bytes(b"PK")
    holes = tmp_path / "holes.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(8, 9, 3, 3)}, holes)
    for path, words in (
        (lora, "its U-Net is not there"),
        (holes, "takes 9 channels"),
        (pickled, "is no .safetensors file"),
        (tmp_path / "none.safetensors", "none.safetensors"),
    ):
        with pytest.raises(InputError, match=words):
            load_base(path, "cpu", RECIPE, config)
