"""From pictures to a plugin file: what ``persam train stable`` does."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from persam.io.pairs import read_pairs
from persam.io.writers import write_text
from persam.models.plugs import decoder_of
from persam.models.stable_sam.backbone import stable_plug
from persam.models.stable_sam.plugin_file import Plugin, untrained, write_plugin
from persam.training.collage import with_collages
from persam.training.embeddings import Store
from persam.training.processes import Workers
from persam.training.stable import train
from persam.training.stable_state import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.models.base import Backbone
    from persam.models.stable_sam.modules import StableOptions
    from persam.training.stable_state import StableRecipe

PLUGIN = "plugin.safetensors"


@dataclass(frozen=True)
class Place:
    """Where a run keeps its files.

    Attributes:
        out: folder of ``checkpoint.pt``, ``log.jsonl`` and ``plugin.safetensors``.
        cache: folder of embeddings, which runs with the same model and data may share; None
            encodes every picture anew.
    """

    out: Path
    cache: Path | None = None


def train_plugin(
    backbone: Backbone,
    data: Sequence[Path],
    how: tuple[StableOptions, StableRecipe],
    place: Place,
    report: Callable[[dict[str, float]], None] | None = None,
) -> Path | None:
    """Train a plugin for a model, or go on with a run that was stopped.

    Args:
        backbone: stays frozen.
        data: as :func:`persam.io.pairs.read_pairs` takes it.
        how: the plugin's options and the training's recipe.
        place: where the run keeps its files.
        report: called with every line of the log.

    Returns:
        The plugin's path; None in all but the first of several processes.

    Raises:
        InputError: unreadable data, too little of it, a model without a SAM decoder, or a
            checkpoint of another run.
    """
    options, recipe = how
    decoder = decoder_of(backbone)
    pairs = with_collages(read_pairs(data), recipe.collages, recipe.seed)
    parts = untrained(decoder.hidden_size, options, backbone.name).parts.to(backbone.device)
    stems = [pair.stem for pair in pairs]
    store = None if place.cache is None else Store.open(place.cache, backbone, stems)
    task = Task(backbone, stable_plug(decoder, parts), pairs, store, asdict(options))
    steps = train(task, recipe, place.out, report)
    if Workers.here().rank > 0:
        return None
    training = {"steps": steps, "pictures": len(pairs), "recipe": recipe.facts()}
    training["data"] = [path.name for path in data]
    write_plugin(Plugin(parts, backbone.name, training), place.out / PLUGIN)
    facts = {**training, "model": backbone.name, "options": asdict(options)}
    facts["parameters"] = parts.count
    write_text(place.out / "plugin.json", json.dumps(facts, indent=2) + "\n")
    return place.out / PLUGIN
