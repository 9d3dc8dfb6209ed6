from __future__ import annotations

import math

import numpy as np
import parity
import pytest
import torch

from persam.errors import InputError
from persam.models.mobile_sam import is_mobile_sam, load_mobile_sam, read_stages
from persam.models.sam import SamBackbone
from persam.models.tiny_vit import Stage, TinyViT


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return parity.state("tinyvit")


def test_embeddings_are_those_of_the_official_code(state):
    sam = SamBackbone("mobile", load_mobile_sam(state))
    expected = parity.stages("tinyvit", "persam_mask255")
    for short, name in (("ref", "reference"), ("test", "test")):
        features = sam.encode(parity.picture("tinyvit", name)).features
        wanted = expected[f"{short}_embedding_every_4th_cell"]
        difference = np.abs(features[0, :, ::4, ::4] - wanted).max()
        assert difference <= 1e-4 * np.abs(wanted).max()


def test_sizes_are_read_from_the_tensors(state):
    assert is_mobile_sam(state)
    assert not is_mobile_sam(parity.state("vit"))
    assert read_stages(state) == (
        Stage(16, 2, 64, merged=32),
        Stage(32, 2, 32, 4, 7, 40),
        Stage(40, 2, 40, 5, 14, 320),
        Stage(320, 1, 320, 10, 7),
    )


def test_the_official_sizes_make_the_official_number_of_parameters():
    # TinyViT-5M: https://arxiv.org/abs/2207.10666, table 1, without the classifier; with the neck.
    stages = (
        Stage(64, 2, 256, merged=128),
        Stage(128, 2, 512, 4, 7, 160),
        Stage(160, 6, 640, 5, 14, 320),
        Stage(320, 2, 1280, 10, 7),
    )
    with torch.device("meta"):
        encoder = TinyViT(stages, 256)
    body = sum(p.numel() for name, p in encoder.named_parameters() if "neck" not in name)
    assert 5.0e6 < body < 5.2e6


@pytest.mark.parametrize("side", [64, 96])
def test_windows_that_do_not_divide_the_grid_are_padded_and_cut(side):
    stages = (Stage(8, 1, 16, merged=16), Stage(16, 1, 16, 2, 7, 16), Stage(16, 1, 16, 2, 3))
    encoder = TinyViT(stages, 12).eval()
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    assert encoder(pixels).last_hidden_state.shape == (1, 12, side // 16, side // 16)


@torch.no_grad()
def test_attention_in_a_window_written_out_longhand():
    torch.manual_seed(0)
    encoder = TinyViT((Stage(8, 1, 16, merged=6), Stage(6, 1, 6, 2, 2)), 4)
    attention = encoder.layers[1].blocks[0].attn
    torch.nn.init.normal_(attention.attention_biases)
    x = torch.randn(1, 4, 6)
    rows = attention.qkv(attention.norm(x))[0]
    expected = torch.zeros(4, 6)
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for head in range(2):
        query, key, value = rows[:, head * 9 : head * 9 + 9].split(3, dim=1)
        for i, (y, x0) in enumerate(cells):
            scores = [
                float(query[i] @ key[j]) / math.sqrt(3)
                + float(attention.attention_biases[head, abs(y - v) * 2 + abs(x0 - u)])
                for j, (v, u) in enumerate(cells)
            ]
            expected[i, head * 3 : head * 3 + 3] = torch.tensor(scores).softmax(0) @ value
    torch.testing.assert_close(attention(x)[0], attention.proj(expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("image_encoder.layers.2.blocks.1.mlp.fc2.bias"), "missing"),
        (lambda s: s.update({"image_encoder.surplus": torch.zeros(1)}), "unknown"),
        (
            lambda s: s.update(
                {"image_encoder.layers.1.blocks.0.attn.attention_biases": torch.zeros(4, 50)}
            ),
            "50 offsets",
        ),
        (lambda s: s.update({"mask_decoder.hf_token.weight": torch.zeros(1, 256)}), "Light HQ-SAM"),
    ],
)
def test_another_file_is_refused(state, change, message):
    changed = dict(state)
    change(changed)
    with pytest.raises(InputError, match=message):
        load_mobile_sam(changed)


def test_the_tensors_given_stay_as_they_are(state):
    given = dict(state)
    load_mobile_sam(given)
    assert given.keys() == state.keys()
    assert all(given[name] is state[name] for name in state)
