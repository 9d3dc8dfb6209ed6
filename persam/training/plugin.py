"""From pictures to a plugin file: what ``persam train stable`` does."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from persam.io.pairs import read_pairs
from persam.models.decoder_parts import decoder_of, with_torch_decoder
from persam.models.stable_sam.backbone import stable_decoder_parts
from persam.models.stable_sam.plugin_file import Plugin, plugin_bytes, untrained
from persam.training.collage import with_collages
from persam.training.embeddings import Store
from persam.training.processes import Workers
from persam.training.run_folder import opened
from persam.training.stable import train
from persam.training.stable_state import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.models.base import Backbone
    from persam.models.stable_sam.modules import StableOptions
    from persam.training.stable_state import StableRecipe

PLUGIN, FACTS = "plugin.safetensors", "plugin.json"


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
    on_progress: Callable[[dict[str, float]], None] | None = None,
) -> Path | None:
    """Train a plugin for a model, or go on with a run that was stopped.

    Args:
        backbone: stays frozen.
        data: as :func:`persam.io.pairs.read_pairs` takes it.
        how: the plugin's options and the training's recipe.
        place: where the run keeps its files.
        on_progress: called with every line of the log.

    Returns:
        The plugin's path; None in all but the first of several processes.

    Raises:
        InputError: unreadable data, too little of it, a model without a SAM decoder, a
            checkpoint of another run, another run in the folder, or somebody's files in the way.
    """
    options, recipe = how
    backbone = with_torch_decoder(backbone)
    decoder = decoder_of(backbone)
    pairs = with_collages(read_pairs(data), recipe.collages, recipe.seed)
    parts = untrained(decoder.hidden_size, options, backbone.name).parts.to(backbone.device)
    stems = [pair.stem for pair in pairs]
    store = None if place.cache is None else Store.open(place.cache, backbone, stems)
    task = Task(backbone, stable_decoder_parts(decoder, parts), pairs, store, asdict(options))
    with opened(place.out, "persam train stable") as own:
        for name in (PLUGIN, FACTS):
            own.refuse_others(place.out / name)
        steps = train(task, recipe, place.out, on_progress)
        if Workers.here().rank > 0:
            return None
        training = {"steps": steps, "pictures": len(pairs), "recipe": recipe.facts()}
        training["data"] = [path.name for path in data]
        own.write(place.out / PLUGIN, plugin_bytes(Plugin(parts, backbone.name, training)))
        facts = {**training, "model": backbone.name, "options": asdict(options)}
        facts["parameters"] = parts.count
        own.write(place.out / FACTS, (json.dumps(facts, indent=2) + "\n").encode())
    return place.out / PLUGIN
