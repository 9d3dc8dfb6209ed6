"""Render all sample pictures and their masks anew: `python -m tools.sample_renderer [FOLDER]`.

Writes ``Images/plush_dog/<NN>.jpg`` (640x480) and ``Annotations/plush_dog/<NN>.png`` (0 and 255),
the layout of PerSeg. ``00``, the reference, shows the dog alone; ``06`` shows it tipped over.
"""

from __future__ import annotations

import sys

from persam.io.writers import jpeg, write_bytes, write_mask
from persam.samples import HEIGHT, PICTURES, WIDTH, files
from tools.sample_renderer.render import photograph
from tools.sample_renderer.scenes import SETTINGS


def main(folder: str) -> None:
    """Draw into a folder, which is made where it is missing."""
    for number, setting in enumerate(SETTINGS):
        photo, truth = photograph(setting(), HEIGHT, WIDTH, seed=number)
        image, mask = files(folder, number)
        write_bytes(image, jpeg(photo, quality=90))
        write_mask(mask, truth)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(PICTURES))
