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
        folder: is made where it is missing.

    Raises:
        InputError: a file of the same name is there and is another; then none is written.
    """
    from persam.errors import InputError
    from persam.io.writers import write_bytes

    files = {
        Path(folder) / source.relative_to(PICTURES): source.read_bytes()
        for source in sorted(PICTURES.glob("*/*/*.*"))
    }
    for path, data in files.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == data):
            raise InputError(f"{path} is there already and no sample. Choose another folder.")
    for path, data in files.items():
        if not path.exists():
            write_bytes(path, data)


def files(folder: str | Path, number: int) -> tuple[Path, Path]:
    """Where a photo and its mask lie within a folder of samples."""
    name = f"{OBJECT}/{number:02d}"
    return Path(folder) / "Images" / f"{name}.jpg", Path(folder) / "Annotations" / f"{name}.png"
