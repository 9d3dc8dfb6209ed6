"""Training of Stable-SAM's plugin, on tiny models with random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from typer.testing import CliRunner

from persam.cli import app
from persam.errors import InputError
from persam.evaluation.baselines.lora import lora_parts
from persam.io.pairs import read_pairs
from persam.models.decoder_parts import decoder_of
from persam.models.stable_sam.backbone import stabilize, stable_decoder_parts
from persam.models.stable_sam.modules import StableOptions
from persam.models.stable_sam.plugin_file import read_plugin, untrained
from persam.structures import Prompts
from persam.training.collage import Collage, with_collages
from persam.training.embeddings import Store
from persam.training.plugin import Place, train_plugin
from persam.training.points import draws, point_losses
from persam.training.processes import launched
from persam.training.stable import train
from persam.training.stable_state import StableRecipe, Task

RECIPE = StableRecipe(epochs=2, batch=2, questions=2)
FAMILIES = ("sam", "sam_hq", "sam2", "pocket")


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Four pictures of bright blocks on noise."""
    root = tmp_path_factory.mktemp("blocks")
    for number in range(4):
        random = np.random.RandomState(number)
        picture = random.randint(0, 90, (40, 52, 3), dtype=np.uint8)
        mask = np.zeros((40, 52), np.uint8)
        mask[6 : 22 + 2 * number, 10 : 30 + 4 * number] = 255
        picture[mask > 0] += 150
        Image.fromarray(picture).save(root / f"{number}.jpg", quality=95)
        Image.fromarray(mask).save(root / f"{number}.png")
    return root


def task(backbone: Any, folder: Path, store: Store | None = None) -> Task:
    parts = untrained(decoder_of(backbone).hidden_size, StableOptions(reach=2), backbone.name).parts
    return Task(
        backbone, stable_decoder_parts(decoder_of(backbone), parts), read_pairs([folder]), store
    )


def state(task: Task) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.plug.parts.state_dict().items()}


def same(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(some[name], others[name]) for name in some)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_changes_the_plugin_and_not_a_bit_of_the_model(tiny, family, folder, tmp_path):
    backbone = tiny(family)
    weights = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    job = task(backbone, folder)
    before = state(job)
    assert train(job, RECIPE, tmp_path) == 4
    after = state(job)
    assert all(not torch.equal(before[name], after[name]) for name in before)
    assert same(weights, backbone.model.state_dict())
    assert not any(p.requires_grad for p in backbone.model.parameters())


def test_the_loss_falls(tiny, folder, tmp_path):
    job = task(tiny("sam"), folder)
    recipe = StableRecipe(epochs=20, batch=4, questions=3, learning_rate=6e-3)
    train(job, recipe, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["entropy"] + line["dice"] for line in lines]
    assert [line["step"] for line in lines] == [10, 20]
    assert losses[-1] < 0.93 * losses[0]


def test_a_stopped_run_goes_on_to_the_same_weights(tiny, folder, tmp_path, monkeypatch):
    whole, stopped = task(tiny("sam"), folder), task(tiny("sam"), folder)
    train(whole, RECIPE, tmp_path / "whole")
    monkeypatch.setattr("persam.training.stable.KEEP_EVERY", 1)

    class Stop(Exception):
        pass

    def stop(line: dict[str, float]) -> None:
        raise Stop

    monkeypatch.setattr("persam.training.stable.LOG_EVERY", 2)
    with pytest.raises(Stop):
        train(stopped, RECIPE, tmp_path / "stopped", stop)
    resumed = task(tiny("sam"), folder)
    lines: list[dict[str, float]] = []
    train(resumed, RECIPE, tmp_path / "stopped", lines.append)
    assert [line["step"] for line in lines] == [4]  # two steps were done already
    assert same(state(whole), state(resumed))


def test_the_log_of_a_run_that_went_on_has_every_step_once(tiny, folder, tmp_path, monkeypatch):
    """The third step was logged and not kept, so it is taken again."""
    monkeypatch.setattr("persam.training.stable.KEEP_EVERY", 2)
    monkeypatch.setattr("persam.training.stable.LOG_EVERY", 1)

    class Stop(Exception):
        pass

    def stop(line: dict[str, float]) -> None:
        if line["step"] == 3:
            raise Stop

    with pytest.raises(Stop):
        train(task(tiny("sam"), folder), RECIPE, tmp_path, stop)
    train(task(tiny("sam"), folder), RECIPE, tmp_path)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_another_recipe_model_plugin_or_data_does_not_go_on(tiny, folder, tmp_path):
    job = task(tiny("sam"), folder)
    train(job, RECIPE, tmp_path)
    sampler = stable_decoder_parts(
        decoder_of(job.backbone), untrained(32, StableOptions(routing="always"), "tiny-sam").parts
    )
    pairs = [replace(pair, stem=f"other-{pair.stem}") for pair in job.pairs]
    for other, recipe, named in (
        (job, replace(RECIPE, seed=1), "seed was 0, now 1"),
        (task(tiny("sam2"), folder), RECIPE, "model was"),
        (replace(job, plug=sampler), RECIPE, "shapes"),
        (replace(job, pairs=pairs), RECIPE, "stems was"),
        # Parts of the same shapes that mean something else
        (replace(job, options={"reach": 4.0}), RECIPE, "reach was"),
    ):
        with pytest.raises(InputError, match=named):
            train(other, recipe, tmp_path)


def test_checkpoints_that_are_none_are_named(tiny, folder, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train(task(tiny("sam"), folder), RECIPE, tmp_path)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-200])
    for wrong in (None, b"", b"words"):
        if wrong is not None:
            checkpoint.write_bytes(wrong)
        with pytest.raises(InputError, match=r"not a whole one.*begin anew"):
            train(task(tiny("sam"), folder), RECIPE, tmp_path)
    for wrong in ([1, 2], {"step": 3}):
        torch.save(wrong, checkpoint)
        with pytest.raises(InputError, match="another output folder"):
            train(task(tiny("sam"), folder), RECIPE, tmp_path)


def test_two_launched_processes_arrive_where_one_does(folder, tiny_sam_folder, tmp_path):
    """As ``accelerate launch`` starts them on GPUs; torch's own launcher can do it on a CPU."""
    pytest.importorskip("accelerate", reason="needs accelerate: pip install persam[train]")
    words = ["train", "stable", str(folder), "--model", str(tiny_sam_folder), "--device", "cpu"]
    words += ["--batch", "4", "--questions", "2", "--out"]
    alone = CliRunner().invoke(app, [*words, str(tmp_path / "alone")])
    assert alone.exit_code == 0, alone.output
    script = tmp_path / "start.py"
    script.write_text("from persam.cli import main\nmain()\n")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    root = Path(__file__).parents[2]
    several = {"PYTHONPATH": str(root), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(script), *words, str(tmp_path / "both")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **several},
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Plugin:") == 1
    one, two = (read_plugin(tmp_path / name / "plugin.safetensors") for name in ("alone", "both"))
    for name, tensor in one.parts.state_dict().items():
        torch.testing.assert_close(two.parts.state_dict()[name], tensor, atol=1e-5, rtol=1e-3)
    assert len((tmp_path / "both" / "log.jsonl").read_text().splitlines()) == 1  # one writes


def test_nothing_was_launched_here(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launched() is None


def test_lora_of_the_same_size_trains_alike(tiny, folder, tmp_path):
    """The ablation's other way to spend the parameters."""
    pytest.importorskip("peft", reason="LoRA needs peft: pip install persam[baselines]")
    backbone = tiny("sam")
    weights = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    job = Task(backbone, lora_parts(backbone, 2), read_pairs([folder]))
    before = [parameter.detach().clone() for parameter in job.plug.parameters]
    train(job, RECIPE, tmp_path)
    pairs = zip(before, job.plug.parameters, strict=True)
    assert all(not torch.equal(was, now) for was, now in pairs)
    assert same(weights, backbone.model.state_dict())


def test_kept_embeddings_are_the_encoders_in_half_precision(tiny, folder, tmp_path):
    backbone, pairs = tiny("sam_hq"), read_pairs([folder])
    image = pairs[2].read()[0]
    fresh = backbone.encode(image)
    store = Store.open(tmp_path, backbone, [pair.stem for pair in pairs])
    for again in (store, Store.open(tmp_path, backbone, [pair.stem for pair in pairs])):
        kept = again.get(2, backbone, image)
        assert kept.frame == fresh.frame
        assert np.array_equal(kept.features, fresh.features.astype(np.float16))
        assert np.array_equal(kept.extras[0], fresh.extras[0].astype(np.float16))
    assert np.array(store.done).tolist() == [0, 0, 1, 0]
    # What is kept is not encoded again.
    blank = store.get(2, backbone, np.zeros_like(image))
    assert np.array_equal(blank.features, kept.features)


def test_embeddings_of_another_model_are_not_mixed_in(tiny, tmp_path):
    Store.open(tmp_path, tiny("sam"), ["a", "b"])
    for family, stems in (("sam", ["a", "b", "c"]), ("sam", ["a", "z"]), ("sam2", ["a", "b"])):
        with pytest.raises(InputError, match="keeps other embeddings"):
            Store.open(tmp_path, tiny(family), stems)


def test_training_from_kept_embeddings_is_nearly_the_same(tiny, folder, tmp_path):
    plain = task(tiny("sam"), folder)
    train(plain, RECIPE, tmp_path / "plain")
    for name in ("first", "second"):
        store = Store.open(tmp_path / "cache", tiny("sam"), list("0123"))
        kept = task(tiny("sam"), folder, store)
        train(kept, RECIPE, tmp_path / name)
    for name, tensor in state(plain).items():
        torch.testing.assert_close(state(kept)[name], tensor, atol=5e-3, rtol=0.1)


def test_point_losses_by_hand():
    chance = np.random.default_rng(0)
    places = torch.stack([draws(chance, 64) for _ in range(3)])
    assert places.shape == (3, 3 * 64 + 16, 2) and float(places.abs().max()) <= 1
    truth = torch.ones(3, 8, 8)
    logits = torch.stack([torch.full((4, 4), value) for value in (20.0, 0.0, -20.0)])
    entropy, dice = point_losses(logits, truth, places, 64)
    assert entropy.tolist() == pytest.approx([0, np.log(2), 20], abs=1e-4)
    # p = 1, 1/2 and 0 at 64 points of the object: 1 - (2 * 64 p + 1) / (64 p + 64 + 1)
    assert dice.tolist() == pytest.approx([0, 1 - 65 / 97, 1 - 1 / 65], abs=1e-4)


def _at(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    options: Any = {"padding_mode": "border", "align_corners": False}
    return F.grid_sample(maps[:, None], places[:, None], **options)[:, 0, 0]


def test_the_most_doubtful_points_are_judged():
    """A map that is sure but along one column: three quarters of the points lie by it."""
    logits = torch.full((1, 32, 32), 50.0)
    logits[:, :, 15:17] = 0.0
    truth = torch.zeros(1, 32, 32)  # sure means wrong: entropy 50 where sure, 0.7 in doubt
    places = draws(np.random.default_rng(0), 96)[None]
    entropy, _ = point_losses(logits, truth, places, 96)
    some = places[:, : 3 * 96]
    doubt = _at(logits, some)[0].sort()
    rest = _at(logits, places[:, 3 * 96 :])[0]
    judged = torch.cat([doubt.values[:72], rest])
    assert float(entropy) == pytest.approx(float(F.softplus(judged).mean()), rel=1e-4)


def test_collages_lay_another_picture_beside_the_meant_one(folder):
    pairs = read_pairs([folder])
    found = with_collages(pairs, 0.7)
    assert [type(pair) for pair in with_collages(pairs, 0)] == [type(pairs[0])] * 4
    assert found == with_collages(pairs, 0.7) != with_collages(pairs, 0.7, seed=1)
    for place, collage in enumerate(with_collages(pairs, 1)):
        image, mask = pairs[place].read()
        joint, meant = collage.read()
        axis = 0 if collage.below else 1
        sides = list(mask.shape)
        sides[axis] *= 2
        assert collage.meant is pairs[place] is not collage.other
        assert joint.shape == (*sides, 3) and meant.shape == tuple(sides)
        halves = np.split(meant, 2, axis), np.split(joint, 2, axis)
        at = int(collage.second)
        assert np.array_equal(halves[0][at], mask) and not halves[0][1 - at].any()
        assert np.array_equal(halves[1][at], image)
        assert np.array_equal(halves[1][1 - at], collage.other.read()[0])  # all are of one size


def test_a_collage_brings_its_neighbour_to_its_own_size(tmp_path):
    for name, size in (("a", (20, 30)), ("b", (10, 10))):
        Image.new("RGB", size, (9, 9, 9)).save(tmp_path / f"{name}.jpg")
        Image.new("L", size, 255).save(tmp_path / f"{name}.png")
    first, second = read_pairs([tmp_path])
    joint, mask = Collage(first, second, below=True, second=False).read()
    assert joint.shape == (60, 20, 3)
    assert mask[:30].all() and not mask[30:].any()


def test_a_recipe_that_makes_no_sense():
    for wrong in (
        {"proportions": {"scribble": 1}},
        {"proportions": {"1 point": 0}},
        {"proportions": {"1 point": 2, "3 points": -1}},
        {"epochs": 0},
        {"learning_rate": -1.0},
        {"batch": 0},
        {"collages": 1.5},
    ):
        with pytest.raises(InputError):
            StableRecipe(**wrong)


def test_the_rate_stays_and_then_falls_to_nearly_nothing():
    recipe = StableRecipe(learning_rate=1e-3, decay=0.5)
    assert recipe.rate(0, 100) == recipe.rate(50, 100) == 1e-3
    assert recipe.rate(75, 100) == pytest.approx(5e-4)
    assert recipe.rate(99, 100) == pytest.approx(2e-5)


def test_too_little_data_and_empty_masks_are_named(tiny, folder, tmp_path):
    with pytest.raises(InputError, match="batch is 9 pictures, but the data has 4"):
        train(task(tiny("sam"), folder), replace(RECIPE, batch=9), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    for name in ("a", "b"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg")
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=r"mask of [ab] is empty"):
        train(task(tiny("sam"), tmp_path), RECIPE, tmp_path / "run")


def test_the_plugin_file_says_how_it_was_trained(tiny, folder, tmp_path, random_image):
    backbone = tiny("sam")
    how = (StableOptions(reach=2, amplitudes=False), RECIPE)
    path = train_plugin(backbone, [folder], how, Place(tmp_path / "run", tmp_path / "cache"))
    assert path is not None
    plugin = read_plugin(path)
    assert plugin.model == "tiny-sam" and plugin.parts.options == how[0]
    assert plugin.training["steps"] == 4 and plugin.training["data"] == [folder.name]
    assert plugin.training["recipe"]["proportions"]["noisy box"] == 4
    facts = json.loads((path.parent / "plugin.json").read_text())
    assert facts["parameters"] == plugin.parts.count
    embedding = backbone.encode(random_image)
    box = Prompts(box=(4, 6, 40, 30))
    assert not np.array_equal(
        stabilize(backbone, plugin).decode(embedding, box).logits,
        backbone.decode(embedding, box).logits,
    )


def test_the_command_trains_and_goes_on(folder, tiny_sam_folder, tmp_path):
    words = ["train", "stable", str(folder), "--model", str(tiny_sam_folder), "--device", "cpu"]
    words += ["--batch", "2", "--questions", "1", "--reach", "3", "--routing", "hard"]
    words += ["--out", str(tmp_path), "--no-amplitudes", "--width", "8", "--routed-by", "mean"]
    words += ["--noise", "0.3", "--learning-rate", "0.01", "--seed", "3", "--collages", "0.5"]
    for _ in range(2):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert "plugin.safetensors" in done.stdout
    plugin = read_plugin(tmp_path / "plugin.safetensors")
    assert plugin.parts.options == StableOptions(
        3, amplitudes=False, routing="hard", width=8, routed_by="mean"
    )
    wanted = StableRecipe(batch=2, questions=1, noise=0.3, learning_rate=0.01, seed=3, collages=0.5)
    assert plugin.training["recipe"] == wanted.facts()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    refused = CliRunner().invoke(app, [*words, "--epochs", "3"])
    assert refused.exit_code == 2 and "another output folder" in refused.output
