"""Embeddings of training pictures on disk, in half precision, for runs that share an encoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.writers import write_text
from persam.runs import refuse_strange
from persam.structures import Embedding, Maps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from persam.models.base import Backbone


@dataclass(frozen=True, eq=False)
class Store:
    """A folder with one file for each feature map, rows in the order of the pictures.

    Rows are written when their picture is encoded for the first time; several runs may read and
    fill the same folder.

    Attributes:
        maps: ``(n, c, h, w)`` float16 files, the decoder's features first.
        done: ``(n,)`` uint8 file, 1 where a row is written.
    """

    maps: tuple[np.memmap, ...]
    done: np.memmap

    @classmethod
    def open(cls, folder: Path, backbone: Backbone, stems: Sequence[str]) -> Store:
        """Open a folder, or make it.

        Args:
            folder: for this model and these pictures alone.
            backbone: whose embeddings these are.
            stems: names of the pictures, in their order.

        Raises:
            InputError: the folder holds another model's embeddings, or those of other pictures.
        """
        blank = backbone.encode(np.zeros((8, 8, 3), np.uint8))
        count, digest = len(stems), hashlib.sha256("\n".join(stems).encode()).hexdigest()
        shapes = [list(tensor.shape[1:]) for tensor in blank.decoder_maps]
        facts = json.dumps({"model": backbone.name, "pictures": [count, digest], "shapes": shapes})
        head = folder / "embeddings.json"
        folder.mkdir(parents=True, exist_ok=True)
        if not head.exists():
            refuse_strange(folder, head.name)
            write_text(head, facts)
        if head.read_text() != facts:
            raise InputError(
                f"{folder} keeps other embeddings, {head.read_text()}; these are {facts}. Give "
                f"another folder."
            )
        maps = [_file(folder / f"map-{i}", np.float16, [count, *s]) for i, s in enumerate(shapes)]
        return cls(tuple(maps), _file(folder / "done", np.uint8, [count]))

    def get(self, index: int, backbone: Backbone, image: np.ndarray) -> Embedding:
        """The embedding of a picture, encoded now if it is not there yet."""
        if not self.done[index]:
            fresh = backbone.encode(image)
            for kept, tensor in zip(self.maps, fresh.decoder_maps, strict=True):
                kept[index] = tensor[0].astype(np.float16)
            self.done[index] = 1
        rows = [np.array(kept[index], dtype=np.float32)[None] for kept in self.maps]
        features, *extras = rows
        frame = backbone.frame(*image.shape[:2])
        return Embedding(Maps(features, features, tuple(extras)), frame)


def _file(path: Path, kind: type, shape: list[int]) -> np.memmap:
    """An array on disk; what is missing of it is 0. Several processes may come here at once."""
    path.touch()
    return np.memmap(path, kind, "r+", shape=tuple(shape))
