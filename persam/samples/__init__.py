"""Sample pictures that need no download: one plush dog, photographed in seven places.

They are computed: a small ray tracer renders them, so the truth about where the dog is comes with
every picture. The rendered files lie beside this one, as drawing them takes a minute.
"""

from __future__ import annotations

from pathlib import Path

OBJECT = "plush_dog"
HEIGHT, WIDTH = 480, 640
PICTURES = Path(__file__).parent / "pictures"  # PerSeg layout: Images/, Annotations/


def draw(folder: str | Path) -> None:
    """Render all pictures and their masks anew, in the layout of PerSeg.

    Writes ``Images/plush_dog/<NN>.jpg`` (640x480) and ``Annotations/plush_dog/<NN>.png`` (0 and
    255). ``00``, the reference, shows the dog alone; ``06`` shows it tipped over. The stored
    pictures were made by ``samples.draw(samples.PICTURES)``.

    Args:
        folder: is made where it is missing.
    """
    from persam.formats import jpeg, write_bytes, write_mask
    from persam.samples.render import photograph
    from persam.samples.scenes import SETTINGS

    for number, setting in enumerate(SETTINGS):
        photo, truth = photograph(setting(), HEIGHT, WIDTH, seed=number)
        image, mask = files(folder, number)
        write_bytes(image, jpeg(photo, quality=90))
        write_mask(mask, truth)


def copy(folder: str | Path) -> None:
    """Write the pictures that come with the package, in the layout of PerSeg.

    Args:
        folder: is made where it is missing; files of the same names are replaced.
    """
    from persam.formats import write_bytes

    for source in sorted(PICTURES.glob("*/*/*.*")):
        write_bytes(Path(folder) / source.relative_to(PICTURES), source.read_bytes())


def files(folder: str | Path, number: int) -> tuple[Path, Path]:
    """Where a photo and its mask lie within a folder of samples."""
    name = f"{OBJECT}/{number:02d}"
    return Path(folder) / "Images" / f"{name}.jpg", Path(folder) / "Annotations" / f"{name}.png"
