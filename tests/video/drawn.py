"""A clip that the tests draw: a plush dog and a mug cross, the mug leaves and comes back.

The things and the room are rendered by the package's own sample scenes; every frame is a montage
of them, so that the truth is known to the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from persam import samples
from persam.io.images import read_image
from persam.io.masks import read_mask
from tools.sample_renderer import props, scenes
from tools.sample_renderer.render import Camera, Setting, photograph
from tools.sample_renderer.tracer import matrix

HEIGHT, WIDTH = 240, 320
# Left edges in pixels, frame by frame; None where it is out of the picture.
DOG = tuple(range(10, 10 + 18 * 10, 10))
MUG = (*range(220, 220 - 8 * 30, -30), None, None, None, None, *range(-20, 100, 20))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Frames ``(240, 320, 3)`` uint8, and ``(240, 320)`` bool masks by name, frame by frame."""

    frames: list[np.ndarray]
    masks: list[dict[str, np.ndarray]]

    @property
    def first(self) -> dict[str, np.ndarray]:
        return self.masks[0]


@cache
def crossing() -> Drawn:
    """The dog goes to the right in front of the mug, which goes to the left, leaves, returns."""
    frames, masks = [], []
    for at_dog, at_mug in zip(DOG, MUG, strict=True):
        frame = _room().copy()
        mug = _lay(frame, _mug(), at_mug, top=110)
        dog = _lay(frame, _dog(), at_dog, top=70)
        frames.append(frame)
        masks.append({"mug": mug & ~dog, "dog": dog})
    return Drawn(frames, masks)


def _lay(frame: np.ndarray, thing: np.ndarray, left: int | None, top: int) -> np.ndarray:
    """Draw a cut-out ``(h, w, 4)`` into a frame; the mask of what can be seen of it."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    if left is None:
        return mask
    height, width = thing.shape[:2]
    skip, stop = max(0, -left), min(width, WIDTH - left)
    part = thing[:, skip:stop]
    place = np.s_[top : top + height, left + skip : left + stop]
    mask[place] = part[..., 3] > 127
    frame[mask] = part[part[..., 3] > 127][:, :3]
    return mask


@cache
def _room() -> np.ndarray:
    block = props.block(matrix((2.6, 0.27, -3), (0.27,) * 3), scenes.BLUE)
    playroom = scenes.playroom()
    empty = Setting((block,), playroom.ground, playroom.wall, playroom.light, playroom.camera)
    return photograph(empty, HEIGHT, WIDTH, seed=1)[0]


@cache
def _dog() -> np.ndarray:
    photo, truth = samples.files(samples.PICTURES, 0)
    image = read_image(photo)
    return _cut(image, read_mask(truth, image.shape[:2]) > 0, height=130)


@cache
def _mug() -> np.ndarray:
    mug = props.mug(matrix(), scenes.RED, scenes.IVORY)
    reference = scenes.reference()
    camera = Camera((0, 1.2, 3.4), (0.1, 0.5, 0), 32)
    alone = Setting((mug,), reference.ground, reference.wall, reference.light, camera)
    return _cut(*photograph(alone, 120, 120, seed=2), height=90)


def _cut(image: np.ndarray, mask: np.ndarray, height: int) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    place = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    cut = Image.fromarray(np.dstack([image, mask.astype(np.uint8) * 255])[place])
    return np.asarray(cut.resize((round(cut.width * height / cut.height), height)))
