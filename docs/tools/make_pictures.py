"""Draws what each label file says of a sample picture: python docs/tools/make_pictures.py."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from persam import samples
from persam.io import drawing
from persam.io.images import read_image
from persam.io.labels import (
    Label,
    LabelClass,
    LabelledPicture,
    LabelSet,
    read_label_set,
    write_label_set,
)
from persam.io.masks import read_mask
from persam.io.writers import jpeg, write_bytes

HERE = Path(__file__).parent
FORMATS = ("coco", "yolo", "labelme", "cvat", "label-studio", "voc")


def main() -> None:
    """Write a picture a format."""
    photo, mask = samples.files(samples.PICTURES, 2)
    image = read_image(photo)
    truth = read_mask(mask, image.shape[:2]) > 127
    label = Label.of_mask("plush dog", truth)
    picture = LabelledPicture(photo.name, truth.shape, (label,), photo)
    labels = LabelSet((LabelClass(5, "plush dog", "#3366cc"),), (picture,))
    for name in FORMATS:
        with TemporaryDirectory() as folder:
            write_label_set(labels, Path(folder) / "out", name)
            (found,) = read_label_set(Path(folder) / "out").pictures[0].labels
        drawn = drawing.overlay_labels(image, found.mask.astype(np.uint8))
        for ring in found.polygons:
            for x, y in ring.astype(int):
                drawn[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = (255, 255, 0)
        small = drawing.thumbnail(drawn, 400)
        write_bytes(HERE / f"labels-{name}.jpg", jpeg(np.asarray(small), quality=80))


if __name__ == "__main__":
    main()
