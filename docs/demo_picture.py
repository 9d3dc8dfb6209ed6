"""Make the README's picture from what `persam demo` wrote.

python docs/demo_picture.py persam-demo docs/demo.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

TILE = (320, 240)


def main(demo: Path, out: Path) -> None:
    """Reference, then the overlays of PerSAM, in two rows of four."""
    pictures = [demo / "samples/Images/plush_dog/00.jpg"]
    pictures += sorted((demo / "persam/overlays").glob("*.jpg"))
    cutout = Image.open(demo / "persam/cutouts/02.png").convert("RGBA")
    tiles = [Image.open(path).convert("RGB").resize(TILE) for path in pictures]
    paper = Image.new("RGBA", cutout.size, "white")
    paper.alpha_composite(cutout)
    tiles.append(paper.convert("RGB").resize(TILE))
    sheet = Image.new("RGB", (TILE[0] * 4 + 30, TILE[1] * 2 + 10), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, ((i % 4) * (TILE[0] + 10), (i // 4) * (TILE[1] + 10)))
    sheet.save(out, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
