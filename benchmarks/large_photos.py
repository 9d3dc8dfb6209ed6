"""The most memory that `persam segment` takes for very large photos: benchmarks/robustness.md."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from persam import samples

CASES = (
    ("photo of 50 MP, JPEG", (8_660, 5_774), ".jpg"),
    ("photo of 108 MP, JPEG", (12_000, 9_000), ".jpg"),
    ("photo of 108 MP, PNG", (12_000, 9_000), ".png"),
)


def main() -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory() as folder:
        samples.copy(folder)
        reference, mask = samples.files(folder, 0)
        with Image.open(samples.files(folder, 1)[0]) as small:
            for name, size, suffix in CASES:
                photo = Path(folder) / f"large{suffix}"
                small.resize(size).save(photo)
                out = Path(folder) / f"{size[0]}{suffix[1:]}"
                words = ["segment", photo, "--reference", reference, "--mask", mask, "--out", out]
                print(f"{name}: {_peak(words):.2f} GB, mask of {_size(out / 'large.png')}")  # noqa: T201
                photo.unlink()
            print(f"20 photos of 50 MP, JPEG, two jobs: {album(Path(folder), small):.2f} GB")  # noqa: T201


def album(folder: Path, small: Image.Image) -> float:
    """GB that twenty photos of 50 megapixels take with two jobs."""
    reference, mask = samples.files(folder, 0)
    photos = folder / "album"
    photos.mkdir()
    small.resize(CASES[0][1]).save(photos / "00.jpg")
    for number in range(1, 20):
        (photos / f"{number:02d}.jpg").hardlink_to(photos / "00.jpg")
    words = ["segment", photos, "--reference", reference, "--mask", mask]
    return _peak([*words, "--out", folder / "found", "--jobs", "2"])


def _peak(words: list[object]) -> float:
    """GB that the command took at most."""
    code = (
        "import resource, sys\nfrom persam.cli import app\n"
        "try:\n    app(sys.argv[1:])\nfinally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if not done.stdout.split():
        raise SystemExit(done.stderr)
    return int(done.stdout.split()[-1]) / 1e6


def _size(mask: Path) -> str:
    with Image.open(mask) as image:
        share = float(np.asarray(image.reduce(8)).mean()) / 255
        return f"{image.width}x{image.height} pixels, {share:.1%} object"


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
