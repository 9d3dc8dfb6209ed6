"""The pocket model's weights on disk."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persam.models.pocket.weights_file import quantise, read_weights, write_weights


def _tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(40, 4, 3, 3, generator=generator),
        "conv.bias": torch.randn(40, generator=generator),
        "linear.weight": torch.randn(50, 70, generator=generator) * 1e-5,
    }


@pytest.mark.parametrize(("bits", "error"), [(16, 1 / 256), (8, 1 / 127)])
def test_weights_come_back_within_the_rounding(tmp_path, bits, error):
    tensors = _tensors()
    write_weights(tmp_path / "w.safetensors", tensors, bits=bits, metadata={"step": "3"})
    found = read_weights(tmp_path / "w.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == torch.float32
        assert found[name].shape == tensor.shape
        assert (found[name] - tensor).abs().max() <= error * tensor.abs().max()
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_eight_bits_take_about_half_the_room(tmp_path):
    tensors = {"weight": torch.randn(256, 256)}
    for bits in (8, 16):
        write_weights(tmp_path / str(bits), tensors, bits=bits, metadata={})
    assert (tmp_path / "8").stat().st_size < 0.55 * (tmp_path / "16").stat().st_size


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9),
    st.lists(st.floats(-(0.5**10), 0.5**10, width=32), min_size=9, max_size=9),
)
def test_a_channel_is_off_by_half_a_step_at_most(large, small):
    weight = torch.tensor([(large * 9)[:9], small])
    whole, scale = quantise(weight)
    error = (whole.float() * scale - weight).abs()
    assert (error <= scale * 0.5001).all()
    assert whole.dtype == torch.int8
