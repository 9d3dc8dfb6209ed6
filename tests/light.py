"""Learn, segment, find, correct and track where torch cannot be imported; run as a program.

    python tests/light.py [FOLDER]

Without a folder only what Python programs call, not the commands. Prints nothing where all is
well. ``tests/test_light.py`` runs it, and ``make test-light`` in an environment that has no torch
at all.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

FORBIDDEN = ("torch", "transformers", "torchvision", "huggingface_hub")


def commands(folder: Path) -> None:
    """The way through the command line."""
    from typer.testing import CliRunner

    from persam import samples
    from persam.cli import app

    photos, masks = folder / "Images", folder / "Annotations"
    samples.copy(folder)
    pictures, truths = sorted(photos.rglob("*.jpg")), sorted(masks.rglob("*.png"))
    for number, photo in enumerate(pictures[:4]):
        (folder / "frames").mkdir(exist_ok=True)
        (folder / "frames" / f"{number:03d}.jpg").write_bytes(photo.read_bytes())
    concept, out = folder / "dog.safetensors", folder / "out"
    (folder / "mended").mkdir()
    (folder / "mended" / f"{pictures[1].stem}.png").write_bytes(truths[1].read_bytes())
    some = [str(picture) for picture in pictures[1:4]]
    with_concept = ["--concept", str(concept)]
    for words in (
        ["learn", str(pictures[0]), "--mask", str(truths[0]), "--out", str(concept)],
        ["segment", *some, *with_concept, "--out", str(out), "--cache", str(folder / "cache")],
        ["segment", *some, *with_concept, "--out", str(out / "all"), "--instances"],
        ["find", *some, *with_concept],
        ["correct", str(concept), *some, "--masks", str(folder / "mended"), "--out", str(concept)],
        ["track", str(folder / "frames"), *with_concept, "--out", str(folder / "clip")],
        ["models"],
        ["doctor", "--system"],
    ):
        done = CliRunner().invoke(app, words)
        if done.exit_code != 0:
            raise SystemExit(f"{words}: {done.output}\n{done.exception!r}")
    done = CliRunner().invoke(app, ["export", "--out", str(folder / "new")])
    if done.exit_code != 2 or "pip install 'persam[torch]'" not in done.output:
        raise SystemExit(f"export: {done.output}\n{done.exception!r}")
    if len(list(out.glob("*.png"))) != 3:
        raise SystemExit("The album has not three masks.")


def library() -> None:
    """PerSAM-F, several objects and a batch from Python; what needs torch says so."""
    import persam
    from persam import samples

    sam = persam.load()
    photo, mask = samples.files(samples.PICTURES, 1)
    scene, _ = samples.files(samples.PICTURES, 2)
    dog = persam.finetune(sam, photo, mask=mask)
    found = dog.segment([scene, photo])
    both = persam.segment_objects({"dog": dog, "same": dog}, scene)
    if not (all(one.present for one in found) and both["dog"].present):
        raise SystemExit("The dog was not found.")
    for wrong in ({"name": "sam-vit-base"}, {"plugin": "pocket-stable"}, {"engine": "torch"}):
        try:
            persam.load(**wrong)
        except persam.MissingExtra as error:
            if "pip install 'persam[torch]'" not in str(error):
                raise
        else:
            raise SystemExit(f"{wrong} was loaded without torch.")


if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(FORBIDDEN))  # None: cannot be imported
    from persam.models import loading

    loading.load = functools.cache(loading.load)  # the model, once for all commands
    library()
    if len(sys.argv) > 1:
        commands(Path(sys.argv[1]))
