from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from persam.errors import InputError
from persam.io.concept_file import read_concept
from persam.io.concept_set import ConceptSet, read_concept_set, write_concept_set
from persam.io.digest import check_digest, with_digest
from persam.io.labels.label_set import LabelSet
from persam.methods.persam import personalize
from persam.models.files import read_state
from persam.models.pocket.weights_file import read_weights, weight_bytes
from persam.models.stable_sam.modules import StableOptions
from persam.models.stable_sam.plugin_file import plugin_bytes, read_plugin, untrained

TENSORS = {"weight": torch.arange(48.0).reshape(6, 8), "bias": torch.ones(6)}
PLAIN = save({name: tensor.numpy() for name, tensor in TENSORS.items()}, {"step": "3"})


def test_a_file_with_a_digest_holds_what_it_held(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(with_digest(PLAIN))
    check_digest(path)
    assert all(np.array_equal(load(path.read_bytes())[k], v) for k, v in TENSORS.items())


@given(st.data())
def test_no_flipped_bit_of_the_numbers_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("digest") / "w.safetensors"
    whole = weight_bytes(TENSORS, bits=16, metadata={"step": "3"})
    start = 8 + int.from_bytes(whole[:8], "little")
    place = data.draw(st.integers(start, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="is damaged"):
        read_weights(path)
    with pytest.raises(InputError, match="is damaged"):
        read_state(path)


def test_a_changed_word_of_the_header_is_noticed(tmp_path):
    path = tmp_path / "plugin.safetensors"
    whole = plugin_bytes(untrained(8, StableOptions(), "tiny"))
    path.write_bytes(whole.replace(b'"model":"tiny"', b'"model":"tinx"'))
    with pytest.raises(InputError, match="is damaged"):
        read_plugin(path)


def test_files_of_other_programs_have_no_digest(tmp_path):
    for data in (PLAIN, save({"a": np.zeros(3)}), b"", b"\xff" * 40, b"\2" + 7 * b"\0" + b"[]"):
        (tmp_path / "a.safetensors").write_bytes(data)
        check_digest(tmp_path / "a.safetensors")


def test_a_flipped_bit_in_a_torch_file_is_noticed(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"image_encoder.x": torch.arange(4096.0)}, path)
    assert read_state(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"checksum of .* in it differs"):
        read_state(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_plugin_with_numbers_that_are_none_is_refused(tmp_path, number):
    plugin = untrained(8, StableOptions(), "tiny")
    next(plugin.parts.parameters()).data.flatten()[0] = number
    (tmp_path / "p.safetensors").write_bytes(plugin_bytes(plugin))
    with pytest.raises(InputError, match="has NaN or infinity"):
        read_plugin(tmp_path / "p.safetensors")


@pytest.mark.parametrize("several", [False, True])
def test_a_flipped_bit_in_a_concept_is_noticed(tiny, tmp_path, several):
    random = np.random.default_rng(0)
    mask = np.zeros((40, 52), dtype=bool)
    mask[8:30, 10:40] = True
    image = random.integers(0, 255, (40, 52, 3), dtype=np.uint8)
    personalize(tiny("pocket"), image, mask=mask).save(tmp_path / "dog.safetensors")
    read, path = read_concept, tmp_path / "dog.safetensors"
    if several:
        read, path = read_concept_set, tmp_path / "set.safetensors"
        one = (tmp_path / "dog.safetensors").read_bytes()
        write_concept_set(path, ConceptSet({"dog": one}, LabelSet((), ()), ()))
    whole = path.read_bytes()
    assert read(path)
    start = 8 + int.from_bytes(whole[:8], "little")
    for place in random.integers(start, len(whole), size=20):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << random.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(InputError, match="is damaged"):
            read(path)
