"""A folder's config.json may be anybody's: a model, or one error."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from persam.errors import InputError
from persam.models.files import read_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tiny_sam_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_sam_folder, tmp_path / "model")


def change(folder: Path, where: tuple[str, ...], value: Any) -> None:
    path = folder / "config.json"
    config = inner = json.loads(path.read_text())
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantization_config", {"quant_method": "bitsandbytes", "load_in_8bit": True}),
        ("quantization_config", "x"),
        ("auto_map", {"AutoModel": "owner/evil--code.Model"}),
        ("_attn_implementation", "owner/kernel"),
        ("attn_implementation", ["flash_attention_2"]),
        ("image_size", 10**9),
        ("num_hidden_layers", 10**6),
        ("patch_size", 0),
        ("window_size", -1),
        ("hidden_act", "no such thing"),
    ],
)
@pytest.mark.parametrize("inside", [(), ("vision_config",)])
def test_what_no_plain_model_says_is_one_error(folder, name, value, inside) -> None:
    if not inside and name in ("patch_size", "window_size", "hidden_act"):
        return  # of the vision encoder alone
    change(folder, (*inside, name), value)
    with pytest.raises(InputError):
        read_folder(folder)


@pytest.mark.parametrize("text", ["[]", '{"a": NaN}', "{", '{"a":' * 99, ""])
def test_what_is_no_configuration_is_named(folder, text) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json is no configuration"):
        read_folder(folder)


def names(config: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in config.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in names(value))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_changed_configurations_load_or_are_refused(folder) -> None:
    whole = (folder / "config.json").read_text()
    every, chance = list(names(json.loads(whole))), np.random.default_rng(0)
    values = [0, -1, 3, 10**9, 0.5, 1e300, "x", None, [], {}, [0, 0], True]
    loaded = 0
    for _ in range(30):
        where, value = every[chance.integers(len(every))], values[chance.integers(len(values))]
        (folder / "config.json").write_text(whole)
        change(folder, where, value)
        try:
            read_folder(folder)
        except InputError:
            continue
        loaded += 1
    assert 0 < loaded < 30
