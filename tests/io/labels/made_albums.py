"""Albums of two classes, five pictures labelled and some not: drawn, and of the personal photos."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.io.images import read_image
from persam.io.labels import Label, LabelClass, LabelledPicture, LabelSet
from persam.io.masks import read_mask

LABELLED = 5
PERSONAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "personal"


@dataclass(frozen=True)
class MadeAlbum:
    """Pictures, and what is right.

    Attributes:
        folder: of the pictures.
        classes: two, with ids of their own.
        truth: masks by the stem of the picture and the name of the class, in order.
    """

    folder: Path
    classes: tuple[LabelClass, ...]
    truth: dict[str, dict[str, np.ndarray]]

    def labelled(self) -> LabelSet:
        """What a person labelled: the first five pictures."""
        pictures = []
        for stem in list(self.truth)[:LABELLED]:
            (path,) = self.folder.glob(f"{stem}.*")
            marks = tuple(Label.of_mask(name, mask) for name, mask in self.truth[stem].items())
            size = read_image(path).shape[:2]
            pictures.append(LabelledPicture(path.name, size, marks, path))
        return LabelSet(self.classes, tuple(pictures))


def drawn(folder: Path) -> MadeAlbum:
    """Balls and boxes; the last picture is empty."""
    contents = ("ball", "ball box", "box", "ball", "box", "ball box", "box", "")
    truth = {}
    folder.mkdir(parents=True)
    for number, kinds in enumerate(contents):
        pixels, masks = _picture(kinds.split(), np.random.default_rng(number))
        Image.fromarray(pixels).save(folder / f"{number}.png")
        truth[str(number)] = masks
    classes = (LabelClass(0, "ball", "#cc2222"), LabelClass(1, "box", "#2244aa"))
    return MadeAlbum(folder, classes, truth)


def _picture(
    kinds: Iterable[str], random: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    size = (180, 240)
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.full((*size, 3), (150, 160, 140), dtype=float)
    masks = {}
    for kind, x in zip(kinds, random.permutation([70, 170]), strict=False):
        down, across = rows - random.uniform(70, 110), columns - x
        radius = random.uniform(32, 42)
        if kind == "ball":
            masks[kind] = down**2 + across**2 <= radius**2
            dark, colours = down // 8 % 2 == 0, ((210, 40, 40), (245, 235, 225))
        else:
            masks[kind] = (abs(down) < radius) & (abs(across) < 0.8 * radius)
            dark, colours = (down // 10 + across // 10) % 2 == 0, ((30, 60, 170), (240, 200, 40))
        painted = np.where(dark[..., None], *colours)
        pixels = np.where(masks[kind][..., None], painted, pixels)
    noisy = pixels + random.normal(0, 6, pixels.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), masks


def personal(folder: Path) -> MadeAlbum:
    """A cat and a dog of the personal photos."""
    if not PERSONAL.is_dir():
        pytest.skip("the personal photos are not at hand in ../shared/data/personal")
    objects = {"cat": "cat_1", "dog": "dog_1"}
    chosen = ("cat 0", "cat 1", "cat 2", "dog 0", "dog 1", "cat 3", "dog 2")
    truth: dict[str, dict[str, np.ndarray]] = {}
    folder.mkdir(parents=True)
    for kind, number in (words.split(" ") for words in chosen):
        name = f"{objects[kind]}/0{number}"
        path = folder / f"{objects[kind]}-{number}.jpg"
        shutil.copy(PERSONAL / "Images" / f"{name}.jpg", path)
        size = read_image(path).shape[:2]
        mask = read_mask(PERSONAL / "Annotations" / f"{name}.png", size) > 127
        truth[path.stem] = {kind: mask}
    return MadeAlbum(folder, (LabelClass(0, "cat"), LabelClass(1, "dog")), truth)


ALBUMS: dict[str, Callable[[Path], MadeAlbum]] = {"drawn": drawn, "personal": personal}
