"""`persam correct`: corrected masks become further references of a concept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.find import OwnModelOption
from persam.cli.options import DeviceOption, EngineOption, PrecisionOption
from persam.cli.screen import progress, say
from persam.cli.stored import stored_concept
from persam.errors import InputError
from persam.folders import list_images, name_outputs
from persam.manifest import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence


def correct(
    concept: Annotated[Path, typer.Argument(help="A concept file from `persam learn`.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    masks: Annotated[
        Path,
        typer.Option("--masks", help="Folder of corrected masks, PNG files named as the photos."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The better concept file: *.safetensors.")],
    *,
    model: OwnModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
    ] = False,
) -> None:
    """Learn from masks that were put right, all or none.

    Every mask of the folder is taken as a further reference, with the photo of its name. Photos
    without a mask there are left alone.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as better.safetensors; got {out}.")
    pairs = corrections(list_images(photos).photos, masks)
    learnt = stored_concept(concept, model, device=device, precision=precision, engine=engine)
    with progress(len(pairs), "Learning", quiet=quiet) as step:
        for photo, mask in pairs:
            learnt = learnt.correct(photo, mask=mask)
            step()
    learnt.save(out)
    if not quiet:
        for photo, mask in pairs:
            say(f"Took {mask} for {photo}")
        say(f"Learnt from {len(learnt.views)} references now: {out}")


def corrections(photos: Sequence[Path], folder: Path) -> list[tuple[Path, Path]]:
    """Pair corrected masks with their photos by the names that ``persam segment`` gives masks.

    Args:
        photos: without repetition.
        folder: of masks, ``<stem>.png``.

    Returns:
        ``(photo, mask)`` in the order of the photos, at least one.

    Raises:
        InputError: the folder is no folder or holds a run's own masks, which nobody has corrected;
            no mask in it, or one without a photo.
    """
    if not folder.is_dir():
        raise InputError(f"--masks {folder} is not a folder. Give the folder of corrected masks.")
    if (folder / NAME).exists():
        raise InputError(
            f"--masks {folder} holds the results of a run: all of them would be taken as right. "
            f"Put the masks that you corrected into a folder of their own."
        )
    names = dict(zip(name_outputs(photos, {}), photos, strict=True))
    files = {path.stem: path for path in sorted(folder.glob("*.png"))}
    strange = [path.name for name, path in files.items() if name not in names]
    if strange or not files:
        what = f"without a photo of that name: {', '.join(strange)}" if strange else "none at all"
        raise InputError(
            f"--masks {folder} needs a <stem>.png for each photo that you corrected, and nothing "
            f"else; got {what}. Add the photo, or take the mask out."
        )
    return [(photo, files[name]) for name, photo in names.items() if name in files]
