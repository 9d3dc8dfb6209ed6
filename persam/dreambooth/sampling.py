"""Pictures out of the model: of the class before training, of the subject on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.writers import png, write_png, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from persam.dreambooth.components import Base
    from persam.dreambooth.recipe import DreamBoothRecipe, SamplingOptions
    from persam.io.own_files import OwnFiles


def class_pictures(
    base: Base, prompt: str, folder: Path, recipe: DreamBoothRecipe, sampling: SamplingOptions
) -> list[Path]:
    """Let the base model draw its idea of the class, as prior preservation wants it.

    What an earlier run drew stays: picture ``i`` is drawn with the recipe's seed + ``i``.

    Args:
        base: not trained yet.
        prompt: of the class.
        folder: for ``0000.png`` ... and ``prompt.json``.
        recipe: how many, and how large.
        sampling: how.

    Raises:
        InputError: the folder holds pictures of another prompt or model.
    """
    side = recipe.resolution
    made_by = {"base": base.name, "prompt": prompt, "resolution": side, "seed": recipe.seed}
    made_by |= {"steps": sampling.steps, "guidance": sampling.guidance}
    note = folder / "prompt.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) != made_by:
        raise InputError(
            f"{folder} holds pictures that were drawn otherwise ({note.name} says how). Choose "
            f"another output folder, or delete it."
        )
    write_text(note, json.dumps(made_by, indent=2) + "\n")
    paths = [folder / f"{number:04d}.png" for number in range(recipe.prior_pictures)]
    for number, path in enumerate(paths):
        if not path.is_file():
            drawn = base.draw(prompt, recipe.seed + number, side, sampling)
            write_png(path, np.array(drawn.convert("RGB")))
    return paths


def draw_samples(
    base: Base, folder: Path, side: int, sampling: SamplingOptions, own: OwnFiles
) -> None:
    """Draw every prompt once: ``00.png`` with its prompt in ``00.txt``, and so on.

    A file that somebody has changed, or put there, stays.
    """
    base.unet.eval()
    for number, prompt in enumerate(sampling.prompts):
        drawn = base.draw(prompt, sampling.seed + number, side, sampling)
        picture = png(np.array(drawn.convert("RGB")))
        for name, data in ((f"{number:02d}.png", picture), (f"{number:02d}.txt", prompt + "\n")):
            if own.state(folder / name) in ("missing", "own"):
                own.write(folder / name, data if isinstance(data, bytes) else data.encode())
    base.unet.train()
