"""SegGPT as a method: transformers' own pipeline on a tiny random model."""

from __future__ import annotations

import numpy as np
import pytest
import tiny as tiny_models
import torch
from PIL import Image

from persam.errors import InputError, ModelNotFound
from persam.evaluation.baselines.seggpt import SegGpt, load_seggpt
from persam.evaluation.method_names import resolve_method
from persam.models import hub

PICTURE = np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)
OTHER = np.random.RandomState(4).randint(0, 256, (44, 36, 3), dtype=np.uint8)
MASK = np.zeros((40, 52), dtype=np.uint8)
MASK[8:30, 10:30] = 128
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def seggpt() -> SegGpt:
    return SegGpt("tiny-seggpt", tiny_models.seggpt_model())


def laid(picture: np.ndarray, resample: Image.Resampling) -> torch.Tensor:
    """A picture at the tiny model's 32 pixels, normalised."""
    small = np.asarray(Image.fromarray(picture).resize((32, 32), resample))
    return torch.from_numpy((small / 255 - MEAN) / STD).float().permute(2, 0, 1)[None]


@torch.no_grad()
def painted(seggpt: SegGpt, mask: np.ndarray) -> np.ndarray:
    """What the model paints for OTHER, ``(32, 32, 3)`` in 0..255, written out by hand."""
    white = np.repeat(np.where(mask > 0, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    output = seggpt.model(
        pixel_values=laid(OTHER, Image.Resampling.BICUBIC),
        prompt_pixel_values=laid(PICTURE, Image.Resampling.BICUBIC),
        prompt_masks=laid(white, Image.Resampling.NEAREST),
    ).pred_masks
    lower = output[0, :, 32:].permute(1, 2, 0).numpy()  # the prompt's half is above
    return np.clip((lower * STD + MEAN) * 255, 0, 255)


def test_the_mask_is_what_is_painted_nearer_to_white(seggpt):
    found = seggpt(None, PICTURE, mask=MASK).segment(OTHER)
    picture = painted(seggpt, MASK)
    black = np.sqrt((picture**2).sum(-1))
    white = np.sqrt(((255 - picture) ** 2).sum(-1))
    rows = np.arange(44) * 32 // 44
    columns = np.arange(36) * 32 // 36
    expected = (white < black)[np.ix_(rows, columns)]
    assert 0 < expected.mean() < 1
    assert found.mask.shape == (44, 36)
    assert (found.mask != expected).mean() < 0.01  # resizing rounds in its own way
    light = (black / (black + white))[np.ix_(rows, columns)]
    assert found.score == pytest.approx(light[expected].mean(), abs=0.01)
    assert 0.5 <= found.score <= 1
    assert len(found.points) == len(found.labels) == 0
    ys, xs = np.nonzero(found.mask)
    assert found.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_the_prompt_matters_and_its_grey_value_does_not(seggpt):
    first = seggpt(None, PICTURE, mask=MASK).segment(OTHER)
    brighter = seggpt(None, PICTURE, mask=np.where(MASK > 0, 255, 0).astype(np.uint8))
    assert np.array_equal(brighter.segment(OTHER).mask, first.mask)
    elsewhere = seggpt(None, PICTURE, mask=np.roll(MASK, 18, axis=1)).segment(OTHER)
    assert elsewhere.score != first.score
    other = seggpt(None, OTHER, mask=np.pad(MASK[:, :36], ((0, 4), (0, 0)))).segment(OTHER)
    assert other.score != first.score


def test_it_learns_nothing_and_says_what_it_is(seggpt, tiny):
    learnt = seggpt(tiny("sam"), PICTURE, mask=MASK)
    assert learnt.trained_parameters == 0
    assert learnt.method == "seggpt"
    assert learnt.backbone.name == "tiny-seggpt"
    assert not any(parameter.requires_grad for parameter in seggpt.model.parameters())


def test_nothing_painted_is_an_empty_mask():
    black = SegGpt("black", tiny_models.seggpt_model())
    head = black.model.decoder.decoder_pred.head
    head.weight.zero_()
    head.bias.fill_(-9.0)  # far below black, wherever
    found = black(None, PICTURE, mask=MASK).segment(OTHER)
    assert not found.mask.any()
    assert found.box is None
    assert found.score == 0


def test_a_saved_folder_answers_as_before(seggpt, tmp_path):
    seggpt.model.save_pretrained(tmp_path)
    again = load_seggpt(str(tmp_path), device="cpu")
    assert again.name == str(tmp_path)
    assert again.device == torch.device("cpu")
    before = seggpt(None, PICTURE, mask=MASK).segment(OTHER)
    after = again(None, PICTURE, mask=MASK).segment(OTHER)
    assert np.array_equal(before.mask, after.mask)
    assert before.score == pytest.approx(after.score, rel=1e-4)


def test_an_object_that_fills_its_reference(seggpt):
    found = seggpt(None, PICTURE, mask=np.full_like(MASK, 255)).segment(OTHER)
    assert found.mask.shape == OTHER.shape[:2]
    assert np.isfinite(found.score)
    with pytest.raises(InputError, match="is empty"):
        seggpt(None, PICTURE, mask=np.zeros_like(MASK))


def test_a_mask_of_another_size(seggpt):
    with pytest.raises(InputError, match=r"52x40|40x52"):
        seggpt(None, PICTURE, mask=MASK[:20])


def test_its_weights_go_by_their_name():
    with pytest.raises(ModelNotFound, match="BAAI/seggpt-vit-large"):
        resolve_method("seggpt", device="cpu")


@pytest.mark.parametrize("name", ["sam-vit-huge", "facebook/sam-vit-huge", "nobody/knows"])
def test_another_model_is_refused_before_anything_is_fetched(name, monkeypatch):
    monkeypatch.setattr(hub, "fetch_repository", lambda *_: pytest.fail("fetched"))
    with pytest.raises(InputError, match=f"'{name}' is no SegGPT: expected BAAI"):
        load_seggpt(name, device="cpu")


@pytest.mark.parametrize("name", ["pocket", "sam"])
def test_models_that_are_no_seggpt(name, tiny_sam_folder):
    name = str(tiny_sam_folder) if name == "sam" else name
    with pytest.raises(InputError, match=r"is no SegGPT|what runs here is seggpt"):
        load_seggpt(name, device="cpu")
