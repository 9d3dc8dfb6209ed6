"""What a training run shows the model: pictures of one object, and photos of many things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from persam.errors import InputError
from persam.io.pairs import read_pairs
from persam.training import pictures, scenes
from persam.training.annotated import Album, crop, read_annotated
from persam.training.batches import Deck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.io.pairs import Pair
    from persam.training.scenes import Scenes
    from persam.training.state import Recipe

SLOTS = 8  # things of a photo that may be asked for


class Dealt(NamedTuple):
    """One shard: indices of pairs and of photos, and the seed of the photos' crops."""

    pairs: torch.Tensor
    photos: list[int]
    seed: int


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The data of a run.

    Attributes:
        deck: pictures with one object each.
        album: photos with many things; None where there are none.
        classes: label -> number, below -1: no class of the deck is.
    """

    deck: Deck
    album: Album | None
    classes: Mapping[str, int]

    @classmethod
    def read(cls, data: Sequence[Path], tars: Sequence[Path], recipe: Recipe) -> TrainingData:
        """Read tars and folders.

        Raises:
            InputError: unreadable data, or too little of it.
        """
        found: dict[str, Pair] = {}
        for pair in read_pairs(data):
            found.setdefault(pair.stem, pair)
        deck = Deck(list(found.values()))
        if len(deck.pairs) < recipe.batch:
            raise InputError(
                f"A batch is {recipe.batch} pictures, but the data has {len(deck.pairs)}."
            )
        if recipe.batch % recipe.shards:
            raise InputError(f"{recipe.batch} scenes do not make {recipe.shards} equal shards.")
        if not tars:
            return cls(deck, None, {})
        photos = read_annotated(tars)
        labels = sorted({"person", *(name for photo in photos for name in photo.labels.values())})
        return cls(deck, Album(photos), {label: -2 - i for i, label in enumerate(labels)})

    def deal(self, recipe: Recipe, seed: int) -> list[Dealt]:
        """Draw one step's pictures, for every shard."""
        generator = torch.Generator().manual_seed(seed)
        chance = np.random.default_rng(seed)
        photos = 0 if self.album is None else recipe.annotated
        hands = self.deck.deal(recipe.batch - photos * recipe.shards, recipe.shards, generator)
        albums = [self.album.deal(photos, chance) if self.album is not None else [] for _ in hands]
        return [
            Dealt(hand, album, int(chance.integers(2**31)))
            for hand, album in zip(hands, albums, strict=True)
        ]

    def scenes(self, dealt: Dealt, side: int, generator: torch.Generator) -> Scenes:
        """Lay a shard's pictures into scenes of ``side`` pixels, and crop its photos."""
        drawn = [pictures.decode(self.deck.pairs[i], side) for i in dealt.pairs.tolist()]
        device = generator.device
        composed = scenes.compose(
            torch.stack([p for p, _ in drawn]).to(device),
            torch.stack([m for _, m in drawn]).to(device),
            self.deck.classes[dealt.pairs].to(device),
            generator,
        )
        if self.album is None or not dealt.photos:
            return composed
        chance = np.random.default_rng(dealt.seed)
        crops = [crop(self.album.photos[i], side, SLOTS, chance) for i in dealt.photos]
        whole = scenes.kept_whole(crops, dealt.photos, self.classes, generator)
        return scenes.joined(composed, whole)
