"""A Stable-SAM plugin on disk: its tensors, and what they are for, in one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from persam.errors import InputError
from persam.io.digest import check_digest, with_digest
from persam.models.registry import plugin_file
from persam.models.stable_sam.modules import StableOptions, StableParts

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "persam stable plugin"


@dataclass(frozen=True, eq=False)
class Plugin:
    """A trained plugin.

    Attributes:
        parts: the modules.
        model: name of the model that it was trained with.
        training: how: steps, data, recipe; in what JSON can hold.
    """

    parts: StableParts
    model: str
    training: Mapping[str, Any] = field(default_factory=dict)


def plugin_bytes(plugin: Plugin) -> bytes:
    """The file of a plugin, with its digest."""
    metadata = {
        "kind": KIND,
        "model": plugin.model,
        "channels": str(plugin.parts.channels),
        "parameters": str(plugin.parts.count),
        "options": json.dumps(asdict(plugin.parts.options)),
        "training": json.dumps(dict(plugin.training)),
    }
    tensors = {name: tensor.contiguous() for name, tensor in plugin.parts.state_dict().items()}
    return with_digest(save(tensors, metadata))


def read_plugin(path: str | Path) -> Plugin:
    """Read what :func:`plugin_bytes` made.

    Args:
        path: the file, or ``"pocket-stable"`` for the one that comes with the package.

    Raises:
        InputError: no such file, or not a whole plugin.
    """
    file = plugin_file(path)
    try:
        check_digest(Path(file))
        with safe_open(file, framework="pt") as stored:
            facts = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"The plugin {file} cannot be read: {error}. Train one with `persam train stable`."
        ) from error
    if facts.get("kind") != KIND:
        raise InputError(
            f"{file} is no Stable-SAM plugin: its head says {facts.get('kind')!r}, not {KIND!r}."
        )
    try:
        options = StableOptions(**json.loads(facts["options"]))
        parts = StableParts(int(facts["channels"]), options)
        strange = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        if strange:
            raise ValueError(f"{strange[0]} has NaN or infinity")
        parts.load_state_dict(tensors)
        model, training = facts["model"], json.loads(facts["training"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{file} is a damaged plugin, or one of another version of persam: {error}. Train it "
            f"anew with `persam train stable`."
        ) from error
    return Plugin(parts.requires_grad_(False).eval(), model, training)


def untrained(channels: int, options: StableOptions, model: str) -> Plugin:
    """A plugin that changes nothing yet; the same one every time."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Plugin(StableParts(channels, options), model)
