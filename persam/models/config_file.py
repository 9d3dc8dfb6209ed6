"""``config.json`` of a model's folder, which anybody may have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.records import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What these name would be fetched, or run, by whoever builds the model.
_ELSEWHERE = frozenset({"quantization_config", "auto_map", "distributed_config"})
_ATTENTION = ("_attn_implementation", "attn_implementation", "_attn_implementation_internal")
_KNOWN_ATTENTION = (None, "eager", "sdpa")
LARGEST = 1_000_000  # of any whole number: sizes, ids of tokens
_MOST_LAYERS = 1000


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a model that transformers saved.

    Raises:
        InputError: none, no JSON object, one that names code or kernels from elsewhere, or numbers
            that no model has.
    """
    path = folder / "config.json"
    config = read_json(path, dict[str, Any], "is no configuration that save_pretrained wrote.")
    if config is None:
        raise InputError(
            f"{folder} is no model folder: it has no {path.name}. Give a folder that "
            f"save_pretrained wrote, or a model file."
        )
    for name, value in _items(config):
        why = _objection(name, value)
        if why:
            raise InputError(
                f"{path} says {name} = {str(value)[:60]!r}, {why}. Give a plain model, as "
                f"save_pretrained writes it."
            )
    return config


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """All names with their values, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from _items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner)


def _objection(name: str, value: Any) -> str:
    if name in _ELSEWHERE and value:
        return "which asks for code or number formats that persam does not load"
    if name in _ATTENTION and value not in _KNOWN_ATTENTION:
        return "which names a kernel from elsewhere"
    if isinstance(value, bool) or not isinstance(value, int):
        return ""
    most = _MOST_LAYERS if "layers" in name else LARGEST
    return "" if abs(value) <= most else f"which is above {most}"
