"""Training on tiny pipelines: masks, prior preservation, resuming, and the files that come out."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
import tiny_diffusion
import torch
from safetensors.torch import load_file

from persam.dreambooth.components import load_base
from persam.dreambooth.data import class_items, subject_items
from persam.dreambooth.recipe import DreamBoothRecipe, SamplingOptions
from persam.dreambooth.steps import ask, losses
from persam.dreambooth.training import DreamBoothRun, train
from persam.errors import InputError, ModelNotFound
from persam.io.own_files import OWN_FILES

KINDS = ("sd", "v", "xl")
QUICK = SamplingOptions(steps=2, guidance=2.0)
RECIPE = DreamBoothRecipe(
    rank=2, steps=4, learning_rate=1e-2, prior_pictures=2, resolution=tiny_diffusion.SIDE
)


def runs(models: Any, kind: str, tmp_path: Any, name: str = "run", **changes: Any) -> DreamBoothRun:
    folder = tmp_path / "subject"
    if not folder.exists():
        tiny_diffusion.subject(folder)
    fields = {"sampling": QUICK, "device": "cpu", **changes}
    return DreamBoothRun(folder, str(models[kind]), tmp_path / name, **fields)


def lines(out: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_gradients(models, kind, tmp_path):
    """Of the photos none outside the mask, exactly; of the class everywhere."""
    base = load_base(models[kind], "cpu", RECIPE)
    items = subject_items(tiny_diffusion.subject(tmp_path / "s"), base, 32)
    made = sorted(tiny_diffusion.pictures(tmp_path / "c", 3).iterdir())
    prior = class_items(made, "a photo of dog", base, 32)
    base.unet.requires_grad_(True)
    answer = ask(base, items, prior, torch.Generator().manual_seed(0))
    answer.said.retain_grad()
    own, kept = losses(answer, masked=True)
    (own + kept).backward()
    gradient = answer.said.grad
    outside = answer.masks.expand(answer.said[:3].shape) == 0
    assert 0 < int(outside.sum()) < outside.numel()
    assert torch.count_nonzero(gradient[:3][outside]) == 0
    assert torch.count_nonzero(gradient[:3][~outside]) == int((~outside).sum())
    assert (gradient[3:] != 0).all()


def test_the_target_is_what_the_scheduler_asks_for(models, kind, tmp_path):
    base = load_base(models[kind], "cpu", RECIPE)
    latents, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    times = torch.tensor([10, 900])
    alpha = base.noise.alphas_cumprod[times].view(2, 1, 1, 1)
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    wanted = velocity if kind == "v" else noise
    torch.testing.assert_close(base.target(latents, noise, times), wanted)


@pytest.mark.parametrize("how", ["lora", "full"])
def test_resuming_ends_with_the_same_bits(models, kind, how, tmp_path):
    recipe = replace(RECIPE, kind=how)
    whole = runs(models, kind, tmp_path, "whole")
    train(whole, recipe)
    part = runs(models, kind, tmp_path, "part")
    shutil.copytree(whole.out / "prior", part.out / "prior")
    train(part, replace(recipe, steps=2))
    with (part.out / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "loss": 1}\n{"step"')  # then killed
    train(part, recipe)
    states = [
        torch.load(run.out / "checkpoint.pt", weights_only=True)["parameters"]
        for run in (whole, part)
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    strip = [[{**line, "seconds": 0} for line in lines(run.out)] for run in (whole, part)]
    assert strip[0] == strip[1]
    assert [line["step"] for line in strip[0]] == [1, 2, 3, 4]


def test_the_lora_loads_in_diffusers_from_both_files(models, kind, tmp_path):
    run = runs(models, kind, tmp_path)
    path = train(run, RECIPE)
    assert path == run.out / "lora.safetensors"
    plain = load_base(models[kind], "cpu", RECIPE)
    told = plain.prompt("a sks dog")
    told = replace(told, times=torch.tensor([[32.0, 32, 0, 0, 32, 32]]) if plain.xl else None)
    noisy, times = torch.randn(1, 4, 16, 16), torch.tensor([500])
    answers = {}
    with torch.no_grad():
        answers["base"] = plain.predict(noisy, times, told)
        for name in ("lora.safetensors", "lora-kohya.safetensors"):
            base = load_base(models[kind], "cpu", RECIPE)
            base.pipeline.load_lora_weights(run.out, weight_name=name)
            answers[name] = base.predict(noisy, times, told)
    assert (answers["lora.safetensors"] - answers["base"]).abs().max() > 1e-4
    torch.testing.assert_close(answers["lora.safetensors"], answers["lora-kohya.safetensors"])


def test_kohya_names(models, tmp_path):
    """As in files that kohya's scripts write: SDXL's blocks by Stability's names."""
    for kind, start in (("sd", "lora_unet_down_blocks_1_attentions_0_"),
                        ("xl", "lora_unet_input_blocks_3_1_")):  # fmt: skip
        run = runs(models, kind, tmp_path, kind)
        train(run, replace(RECIPE, steps=1, prior_weight=0))
        tensors = load_file(run.out / "lora-kohya.safetensors")
        name = f"{start}transformer_blocks_0_attn2_to_out_0"
        assert tensors[f"{name}.alpha"] == RECIPE.rank
        assert tensors[f"{name}.lora_down.weight"].shape == (2, 16)
        assert tensors[f"{name}.lora_up.weight"].shape == (16, 2)
        assert len(tensors) == 3 * len({key.split(".")[0] for key in tensors})


def test_masks_make_a_difference_and_the_log_says_where(models, tmp_path):
    masked, plain = (runs(models, "sd", tmp_path, name) for name in ("masked", "plain"))
    train(masked, replace(RECIPE, prior_weight=0))
    train(plain, replace(RECIPE, prior_weight=0, masked=False))
    for run, leaks in ((masked, False), (plain, True)):
        photos = [photo for line in lines(run.out) for photo in line["pictures"]]
        assert {photo["name"] for photo in photos} == {"p0", "p1", "p2"}
        assert all((photo["leak"] > 0) == leaks for photo in photos)
        assert all(photo["outside"] > 0 for photo in photos)
    first = [lines(run.out)[0] for run in (masked, plain)]
    assert first[0]["loss"] == pytest.approx(first[0]["pictures"][0]["inside"])
    assert first[1]["loss"] != first[0]["loss"]
    assert "prior" not in first[0]


def test_a_full_unet_is_written_and_read(models, tmp_path):
    from diffusers import UNet2DConditionModel

    run = runs(models, "sd", tmp_path)
    folder = train(run, replace(RECIPE, kind="full", steps=2))
    trained = UNet2DConditionModel.from_pretrained(folder)
    saved = torch.load(run.out / "checkpoint.pt", weights_only=True)["parameters"]
    assert {name: tuple(p.shape) for name, p in trained.named_parameters()} == {
        name: tuple(p.shape) for name, p in saved.items()
    }
    assert all(torch.equal(p, saved[name]) for name, p in trained.named_parameters())


def test_samples_on_the_way(models, tmp_path):
    sampling = replace(QUICK, prompts=("a sks dog", "a sks dog on a beach"), every=2)
    run = runs(models, "sd", tmp_path, sampling=sampling)
    train(run, replace(RECIPE, steps=3, prior_weight=0))
    folders = sorted(path.name for path in (run.out / "samples").iterdir())
    assert folders == ["step-000002", "step-000003"]
    last = run.out / "samples" / "step-000003"
    assert sorted(path.name for path in last.iterdir()) == ["00.png", "00.txt", "01.png", "01.txt"]
    assert (last / "01.txt").read_text() == "a sks dog on a beach\n"


def test_samples_change_nothing(models, tmp_path):
    quiet = runs(models, "sd", tmp_path, "quiet")
    drawing = runs(
        models, "sd", tmp_path, "drawing", sampling=replace(QUICK, prompts=("a",), every=1)
    )
    states = []
    for run in (quiet, drawing):
        train(run, replace(RECIPE, steps=3, prior_weight=0))
        states.append(torch.load(run.out / "checkpoint.pt", weights_only=True)["parameters"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_lower_precision_and_less_memory(models, kind, tmp_path):
    run = runs(models, kind, tmp_path)
    train(run, replace(RECIPE, steps=2, precision="bf16", save_memory=True))
    assert all(torch.isfinite(torch.tensor(line["loss"])) for line in lines(run.out))
    assert load_file(run.out / "lora.safetensors").popitem()[1].dtype == torch.float32
    assert not [p for line in lines(run.out) for p in line["pictures"] if p["leak"]]


def test_less_memory_gives_the_same_weights(models, tmp_path):
    states = []
    for name, less in (("more", False), ("less", True)):
        run = runs(models, "sd", tmp_path, name)
        train(run, replace(RECIPE, steps=2, prior_weight=0, save_memory=less))
        states.append(torch.load(run.out / "checkpoint.pt", weights_only=True)["parameters"])
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=1e-4, atol=1e-5)


def test_other_settings_are_refused_and_more_steps_are_not(models, tmp_path):
    run = runs(models, "sd", tmp_path)
    short = replace(RECIPE, steps=1, prior_weight=0)
    train(run, short)
    with pytest.raises(InputError, match=r"learning_rate was 0\.01, now 0\.5"):
        train(run, replace(short, learning_rate=0.5))
    (tmp_path / "subject" / "images" / "p1.txt").write_text("another caption\n")
    with pytest.raises(InputError, match="subject"):
        train(run, short)
    (tmp_path / "subject" / "images" / "p1.txt").write_text("a photo of sks dog\n")
    train(run, replace(short, steps=2))
    assert [line["step"] for line in lines(run.out)] == [1, 2]


def test_models_that_cannot_be_trained(models, tmp_path):
    with pytest.raises(ModelNotFound, match="it is no diffusion model"):
        load_base(tmp_path, "cpu", RECIPE)
    other = tmp_path / "flux"
    other.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(InputError, match="is a FluxPipeline"):
        load_base(other, "cpu", RECIPE)
    strange = shutil.copytree(models["sd"], tmp_path / "strange")
    file = strange / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(InputError, match="predicts 'sample'"):
        load_base(strange, "cpu", RECIPE)
    told = load_base(strange, "cpu", replace(RECIPE, prediction="v_prediction"))
    assert told.noise.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("change", [{"steps": 0}, {"rank": 0}, {"learning_rate": float("nan")},
                                    {"resolution": 60}, {"prior_weight": -1}])  # fmt: skip
def test_recipes_that_make_no_sense(change):
    with pytest.raises(InputError, match=next(iter(change))):
        replace(RECIPE, **change)


def test_no_file_of_a_person_is_replaced(models, tmp_path):
    short = replace(RECIPE, steps=1, prior_weight=0)
    done = runs(models, "sd", tmp_path, "whole")
    train(done, short)
    files = (p for p in done.out.rglob("*") if p.is_file() and p.name != OWN_FILES)
    names = sorted(path.relative_to(done.out) for path in files)
    assert {"lora.safetensors", "checkpoint.pt", "run.json"} <= {path.name for path in names}
    for number, name in enumerate(names):
        run = runs(models, "sd", tmp_path, str(number))
        (run.out / name).parent.mkdir(parents=True)
        (run.out / name).write_bytes(b"a person's")
        with contextlib.suppress(InputError):
            train(run, short)
        assert (run.out / name).read_bytes() == b"a person's", name
