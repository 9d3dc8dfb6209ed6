"""What a step shows: which pictures, which square of them, which cells and sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_diffusion
import torch
from hypothesis import given
from hypothesis import strategies as st

from persam.dreambooth.components import load_base
from persam.dreambooth.data import class_items, deal, gather, subject_items
from persam.dreambooth.masks import Crop, square_round
from persam.dreambooth.recipe import DreamBoothRecipe, SamplingOptions
from persam.dreambooth.sampling import class_pictures
from persam.errors import InputError
from persam.io.writers import write_png

RECIPE = DreamBoothRecipe(prior_pictures=2, resolution=tiny_diffusion.SIDE)
QUICK = SamplingOptions(steps=1, guidance=1.0)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 5))
def test_every_picture_comes_before_any_comes_again(count, batch, seed):
    dealt = [i for step in range(3 * count) for i in deal(count, batch, step, seed)]
    rounds = [dealt[i : i + count] for i in range(0, len(dealt), count)]
    assert all(sorted(one) == list(range(count)) for one in rounds)
    assert dealt[batch : 2 * batch] == deal(count, batch, 1, seed)


def test_other_seeds_deal_otherwise():
    assert [deal(8, 8, 0, seed) for seed in (1, 1)] == [deal(8, 8, 0, 1)] * 2
    assert deal(8, 8, 0, 1) != deal(8, 8, 0, 2)


def test_the_square_follows_the_subject_and_stays_within():
    weights = np.zeros((40, 100), dtype=np.uint8)
    assert square_round(weights) == Crop(0, 30, 40)
    weights[10:20, 60:70] = 255
    assert square_round(weights) == Crop(0, 45, 40)
    weights[10:20, 95:] = 255
    assert square_round(weights) == Crop(0, 60, 40)
    assert square_round(weights.T) == Crop(60, 0, 40)


@pytest.mark.parametrize("kind", ["sd", "xl"])
def test_items_of_a_subject(models, kind, tmp_path):
    subject = tiny_diffusion.subject(tmp_path / "s", photos=1)
    base = load_base(models[kind], "cpu", RECIPE)
    (item,) = subject_items(subject, base, 32)
    assert item.mean.shape == item.std.shape == (4, 16, 16)
    # 40 x 48 pixels, the subject at 8..24 of the width: the square is the left one.
    expected = torch.zeros(1, 16, 16)
    expected[:, 2:5, 3:10] = 1  # rows 4..12 and columns 8..24 of 40; cells of 2.5 pixels
    expected[:, 4, 9] = 0  # four fifths of its height, three of its width: 0.48 of the cell
    assert torch.equal(item.mask, expected)
    facts = item.facts()
    assert (facts["name"], facts["cells"], facts["trained_cells"]) == ("p0", 256, 20)
    times = None if item.condition.times is None else item.condition.times.tolist()
    assert times == (None if kind == "sd" else [[40, 48, 0, 0, 32, 32]])


def test_a_subject_that_fades_out_keeps_its_shares(models, tmp_path):
    subject = tiny_diffusion.subject(tmp_path / "s", photos=1, feather=1.0)
    base = load_base(models["sd"], "cpu", RECIPE)
    (item,) = subject_items(subject, base, 32)
    assert ((item.mask > 0) & (item.mask < 1)).any()


def test_latents_are_drawn_anew_from_their_spread(models, tmp_path):
    base = load_base(models["sd"], "cpu", RECIPE)
    paths = sorted(tiny_diffusion.pictures(tmp_path, 2).iterdir())
    items = class_items(paths, "a dog", base, 32)
    assert all((item.mask == 1).all() for item in items)
    drawn = [gather(items, torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.stack([getattr(item, name) for item in items]) for name in ("mean", "std"))
    torch.testing.assert_close(drawn[0], mean + std * noise)


def test_class_pictures_are_drawn_once(models, tmp_path):
    base = load_base(models["sd"], "cpu", RECIPE)
    paths = class_pictures(base, "a dog", tmp_path, RECIPE, QUICK)
    before = [path.read_bytes() for path in paths]
    assert before[0] != before[1]
    write_png(paths[0], np.zeros((32, 32, 3), dtype=np.uint8))  # as if it were another's
    paths[1].unlink()
    again = class_pictures(base, "a dog", tmp_path, replace(RECIPE, prior_pictures=3), QUICK)
    assert again[:2] == paths
    assert paths[0].read_bytes() != before[0]
    assert paths[1].read_bytes() == before[1]
    with pytest.raises(InputError, match="drawn otherwise"):
        class_pictures(base, "a cat", tmp_path, RECIPE, QUICK)
