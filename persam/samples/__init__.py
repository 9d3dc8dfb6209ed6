"""Sample pictures that need no download: one plush dog, photographed in seven places.

They are computed by the ray tracer in the source tree's `tools/sample_renderer`, so the truth about
where the dog is comes with every picture.
"""

from __future__ import annotations

from pathlib import Path

OBJECT = "plush_dog"
HEIGHT, WIDTH = 480, 640
PICTURES = Path(__file__).parent / "pictures"  # PerSeg layout: Images/, Annotations/


def copy(folder: str | Path) -> None:
    """Write the pictures that come with the package, in the layout of PerSeg.

    Args:
        folder: is made where it is missing; files of the same names are replaced.
    """
    from persam.io.writers import write_bytes

    for source in sorted(PICTURES.glob("*/*/*.*")):
        write_bytes(Path(folder) / source.relative_to(PICTURES), source.read_bytes())


def files(folder: str | Path, number: int) -> tuple[Path, Path]:
    """Where a photo and its mask lie within a folder of samples."""
    name = f"{OBJECT}/{number:02d}"
    return Path(folder) / "Images" / f"{name}.jpg", Path(folder) / "Annotations" / f"{name}.png"
