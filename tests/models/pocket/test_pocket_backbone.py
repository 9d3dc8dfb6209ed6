"""The built-in model: its adapter, its weights, and what its matching features promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny as tiny_models
import torch
from safetensors.torch import load_file, save_file

import persam
from persam.errors import InputError
from persam.models.pocket import encoder, network
from persam.models.pocket.backbone import load_pocket
from persam.models.pocket.mobilenet import SameConv
from persam.models.pocket.weights_file import SCALE
from persam.models.registry import POCKET_FILE, find
from persam.models.runtime.drawn_prompts import draw_prompts
from persam.structures import Prompts

LIMIT = 12 * 2**20  # bytes in the package


@pytest.fixture
def embedding(tiny, random_image):
    return tiny("pocket").encode(random_image)


def test_an_embedding_keeps_matching_features_apart(embedding):
    assert embedding.features.shape == (1, encoder.WIDTH, 4, 4)
    assert embedding.matching.shape == (1, 848, 4, 4)
    assert [tuple(extra.shape) for extra in embedding.extras] == [(1, 16, 16, 16), (1, 32, 8, 8)]


def test_each_stride_of_a_matching_feature_has_its_weight_as_length():
    torch.manual_seed(0)
    strides = torch.randn(2, 96, 6, 8), torch.randn(2, 320, 3, 4)
    found = encoder.matching_features(*strides)
    for block, weight in zip(found.split([96, 320], dim=1), (1.0, 0.7), strict=True):
        torch.testing.assert_close(block.norm(dim=1), torch.full((2, 6, 8), weight))
    both = encoder.matching_features(*strides, torch.randn(2, 112, 6, 8), strides[1])
    assert torch.equal(both[:, :416], found)
    torch.testing.assert_close(both[:, 528:], found[:, 96:])
    # A shift of all cells alike, as another light gives, changes nothing.
    shifted = encoder.matching_features(strides[0] + 5, strides[1] - 3)
    torch.testing.assert_close(found, shifted, atol=1e-4, rtol=0)


def test_tensorflow_padding_is_lopsided_at_stride_2():
    convolution = SameConv(1, 1, 3, 2)
    with torch.no_grad():
        convolution.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        convolution.bias.zero_()
        picture = torch.zeros(1, 1, 4, 4)
        picture[0, 0, 0, 0] = 1
        # The first window starts at the first pixel, so its corner weight, 0, meets the 1.
        assert convolution(picture).flatten().tolist() == [0, 0, 0, 0]
        picture[0, 0, 1, 1] = 1
        assert convolution(picture).flatten().tolist() == [4, 0, 0, 0]
        large = torch.randn(1, 2, 12, 8)
        for kernel, before in ((3, 0), (5, 1)):
            wide = SameConv(2, 4, kernel, 2)
            padded = torch.nn.functional.pad(large, (before, before + 1) * 2)
            plain = torch.nn.functional.conv2d(padded, wide.weight, wide.bias, 2)
            torch.testing.assert_close(wide(large), plain, atol=1e-5, rtol=1e-5)


def test_points_boxes_and_masks_are_all_read(tiny, random_image):
    backbone = tiny("pocket")
    embedding = backbone.encode(random_image)
    points = {"points": np.array([[10, 10]]), "labels": np.array([1])}
    asked = [
        Prompts(**points),
        Prompts(**points, box=(2, 2, 30, 30)),
        Prompts(**points, mask=np.full((1, 16, 16), 3.0, np.float32)),
        Prompts(np.array([[40, 30]]), np.array([1])),
    ]
    answers = [backbone.decode(embedding, prompts).logits for prompts in asked]
    assert answers[0].shape == (3, 16, 16)
    for i, one in enumerate(answers):
        for other in answers[i + 1 :]:
            assert not np.allclose(one, other)


def test_one_mask_or_three_come_from_different_tokens(tiny, random_image):
    backbone = tiny("pocket")
    embedding = backbone.encode(random_image)
    prompts = Prompts(box=(2, 2, 30, 30))
    single = backbone.decode(embedding, prompts, multimask=False)
    three = backbone.decode(embedding, prompts)
    assert single.logits.shape[0] == 1
    assert not any(np.allclose(single.logits[0], mask) for mask in three.logits)
    assert ((three.iou >= 0) & (three.iou <= 1)).all()


def test_no_prompt_is_an_error(tiny, embedding):
    with pytest.raises(InputError, match="at least one point or a box"):
        tiny("pocket").decode(embedding, Prompts())


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"something": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="does not hold the pocket model's weights"):
        load_pocket(path, device=torch.device("cpu"))
    path.write_text("nothing of the kind")
    with pytest.raises(InputError, match="cannot be read"):
        load_pocket(path, device=torch.device("cpu"))


def test_the_first_generation_still_loads_from_its_file(tmp_path, random_image):
    old = network.PocketModel(second=False)
    path = tmp_path / "first.safetensors"
    save_file({k: v.contiguous() for k, v in old.state_dict().items()}, path)
    backbone = persam.load(path, device="cpu", precision="fp32")
    embedding = backbone.encode(random_image)
    assert embedding.matching.shape[1] == 416
    assert backbone.decode(embedding, Prompts(box=(2, 2, 30, 30))).logits.shape[0] == 3


def test_a_saved_network_answers_as_before(tmp_path, tiny, random_image):
    before = tiny("pocket")
    path = tmp_path / "same.safetensors"
    save_file({k: v.contiguous() for k, v in before.model.state_dict().items()}, path)
    after = persam.load(path, device="cpu", precision="fp32")
    after.model.resize(64)
    prompts = Prompts(box=(2, 2, 30, 30))
    expected = before.decode(before.encode(random_image), prompts).logits
    image = tiny_models.PocketBackbone("resized", after.model).encode(random_image)
    torch.testing.assert_close(after.decode(image, prompts).logits, expected)


def test_the_packages_own_weights_fit_their_limits():
    tensors = load_file(POCKET_FILE)
    assert POCKET_FILE.stat().st_size <= LIMIT
    large = [tensor for name, tensor in tensors.items() if not name.endswith(SCALE)]
    assert {tensor.dtype for tensor in large} <= {torch.float16, torch.int8}
    count = sum(tensor.numel() for tensor in large) / 1e6
    assert find("pocket").parameters == pytest.approx(count, abs=0.05)
    assert (Path(POCKET_FILE).parent / "pocket.md").is_file()


def test_the_built_in_model_follows_a_box_and_the_reference():
    from persam import samples

    sam = persam.load()
    assert sam.name == "pocket"
    images = sorted((Path(samples.PICTURES) / "Images").rglob("*.jpg"))
    masks = sorted((Path(samples.PICTURES) / "Annotations").rglob("*.png"))
    dog = persam.personalize(sam, images[0], mask=masks[0])
    truth = persam.io.masks.read_mask(masks[1], (480, 640)) > 0
    assert dog.variant == persam.Variant.named("pocket", "persam")
    found = dog.segment(images[1])
    overlap = (found.mask & truth).sum() / (found.mask | truth).sum()
    assert overlap > 0.7
    assert 0 <= found.score <= 1


def test_a_drawn_box_fills_the_cells_that_it_covers():
    box = torch.tensor([[[40.0, 80, 199, 159]]])
    drawn = network.draw_prompts(None, None, box, square=384, side=96)
    inside = torch.zeros(96, 96, dtype=torch.bool)
    inside[20:40, 10:50] = True  # cells of 4 pixels, corner pixels included
    assert drawn.shape == (1, 1, 96, 96)
    assert torch.equal(drawn[0, 0] > 0, inside)
    assert drawn[0, 0][inside].unique().tolist() == [2]
    assert drawn[0, 0][~inside].unique().tolist() == [-4]


def test_drawing_in_arrays_and_in_torch_is_the_same():
    random = np.random.default_rng(4)
    for count, boxed in ((0, True), (3, False), (2, True)):
        points = random.uniform(0, 384, (count, 2)).astype(np.float32)
        labels = random.integers(0, 2, count)
        box = np.array([31.5, 40.0, 300.25, 199.0], np.float32) if boxed else np.zeros(0)
        tensors = [torch.from_numpy(values)[None, None] for values in (points, labels, box)]
        given = [tensor if tensor.numel() else None for tensor in tensors]
        drawn = network.draw_prompts(*given, square=384, side=96)
        ours = draw_prompts(points, labels, box, 384, 96)
        np.testing.assert_allclose(ours, drawn, rtol=1e-4, atol=1e-4)


def test_drawn_points_peak_where_they_are_and_padding_says_nothing():
    points = torch.tensor([[[[101.5, 41.5], [301.5, 201.5], [0.0, 0.0]]]])
    labels = torch.tensor([[[1, 0, -1]]])
    drawn = network.draw_prompts(points, labels, None, square=384, side=96)[0, 0]
    assert divmod(int(drawn.argmax()), 96) == (10, 25)
    assert divmod(int(drawn.argmin()), 96) == (50, 75)
    assert float(drawn.max()) == pytest.approx(6)
    assert float(drawn[0, 0].abs()) < 1
    with pytest.raises(ValueError, match="neither"):
        network.draw_prompts(None, None, None, square=384, side=96)
