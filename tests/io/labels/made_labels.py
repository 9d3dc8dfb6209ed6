"""Label sets for tests: drawn pictures on disk, and masks of every shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from persam.io.labels import Label, LabelClass, LabelledPicture, LabelSet, Origin

CLASSES = (LabelClass(7, "cat", "#ff0000"), LabelClass(3, "my dog", "#00ff40"))
PERSON = Origin()
MODEL = Origin("model", concept="cat", version="ab12", score=0.9, presence=0.75, doubt=0.25)


def masks(largest: int = 24) -> st.SearchStrategy[np.ndarray]:
    """Masks with pieces, holes and pixels that touch by a corner; none is empty."""
    sizes = st.tuples(st.integers(1, largest), st.integers(1, largest))
    noise = sizes.flatmap(lambda size: hnp.arrays(np.bool_, size))
    rough = sizes.flatmap(
        lambda size: hnp.arrays(np.float32, size, elements=st.floats(0, 1, width=16))
    )
    smooth = rough.map(lambda a: ndimage.gaussian_filter(a, 1) > 0.3)
    return (noise | smooth).filter(lambda mask: bool(mask.any()))


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def picture_file(folder: Path, name: str, size: tuple[int, int]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)
    return path


def one_mask(folder: Path, mask: np.ndarray, origin: Origin = PERSON) -> LabelSet:
    path = picture_file(folder, "photo 1.png", mask.shape)
    label = Label.of_mask("cat", mask, origin=origin)
    return LabelSet(CLASSES, (LabelledPicture(path.name, mask.shape, (label,), path),))


def scene(folder: Path, origin: Origin = PERSON) -> LabelSet:
    """Two pictures: a disc, a ring, an object in two pieces; and one where nothing is."""
    size = (40, 60)
    ring, pieces, round_one = scene_masks(size)
    first = (
        Label.of_mask("cat", ring, origin=origin),
        Label.of_mask("my dog", pieces, origin=origin),
    )
    second = (Label.of_mask("cat", round_one, origin=origin),)
    pictures = [
        LabelledPicture(name, size, labels, picture_file(folder, name, size), number)
        for name, labels, number in (("a.png", first, 11), ("b/c.png", second, 5), ("d.png", (), 8))
    ]
    return LabelSet(CLASSES, tuple(pictures))


def scene_masks(size: tuple[int, int] = (40, 60)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ring, an object in two pieces, and a disc."""
    ring = disc(size, 15, 20, 12) & ~disc(size, 15, 20, 5)
    pieces = disc(size, 40, 8, 5) | disc(size, 50, 30, 7)
    return ring, pieces, disc(size, 30, 20, 9)
