"""`persam correct`: corrected masks become further references of a concept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.album.manifest import NAME, Manifest
from persam.cli.concept_args import stored_concept, stored_concepts
from persam.cli.console import progress, say
from persam.cli.correct_labels import CorrectedLabels, correct_by_labels
from persam.cli.find import OwnModelOption
from persam.cli.model_args import DeviceOption, EngineOption, PrecisionOption
from persam.cli.object_args import ReferenceArgs
from persam.cli.object_options import OrientationOption
from persam.cli.run_args import QuietOption
from persam.errors import InputError
from persam.io.folders import is_picture, list_images, name_outputs, refuse_overwriting
from persam.io.palette import PALETTE
from persam.io.picture_file import open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence


def correct(
    concept: Annotated[Path, typer.Argument(help="A concept file from `persam learn`.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    out: Annotated[Path, typer.Option("--out", help="The better concept file: *.safetensors.")],
    *,
    masks: Annotated[
        Path | None,
        typer.Option("--masks", help="Folder of corrected masks, PNG files named as the photos."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Instead of masks: labels that were put right in another tool, in any format that "
            "`persam segment --save` writes. Those that nobody changed teach nothing; a deleted "
            "one teaches what the object is not.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="Folder that `persam segment` wrote: the masks have the names of its masks, or "
            "the labels are of it, where they do not lie in it any more.",
        ),
    ] = None,
    mask_orientation: OrientationOption = "ask",
    model: OwnModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Learn from masks or labels that were put right, all or none.

    Every mask of the folder is taken as a further reference, with the photo of its name. Photos
    without a mask there are left alone.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as better.safetensors; got {out}.")
    place = {"device": device, "precision": precision, "engine": engine}
    if masks is None or labels is not None:
        if labels is None or masks is not None:
            raise InputError("Say what was put right by --masks DIR or --labels FILE, one of them.")
        photos = list(list_images(photos, recursive=True).photos)
        asked = CorrectedLabels(labels, photos, run)
        correct_by_labels(concept, asked, out, partial(stored_concepts, model=model, **place))
        return
    pairs = corrections(list_images(photos).photos, masks, run)
    refuse_overwriting([out], [path for pair in pairs for path in pair], "Choose another --out.")
    for _, mask in pairs:
        _refuse_labels(mask)
    learnt = stored_concept(concept, model, **place)
    with progress(len(pairs), "Learning", quiet=quiet) as step:
        for photo, mask in pairs:
            shown = ReferenceArgs(photo, mask, mask_orientation=mask_orientation).read()
            learnt = learnt.correct(shown.image, mask=shown.mask)
            step()
    learnt.save(out)
    if not quiet:
        for photo, mask in pairs:
            say(f"Took {mask} for {photo}")
        say(f"Learnt from {len(learnt.references)} references now: {out}")


def corrections(
    photos: Sequence[Path], folder: Path, run: Path | None = None
) -> list[tuple[Path, Path]]:
    """Pair corrected masks with their photos by the names that ``persam segment`` gives masks.

    Args:
        photos: without repetition.
        folder: of masks, ``<stem>.png``.
        run: what that command wrote; it knows which photo has which name, where several photos
            have the same one.

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
    names = dict(zip(name_outputs(photos, _names_of(run)), photos, strict=True))
    files = {path.stem: path for path in sorted(folder.iterdir()) if is_picture(path)}
    strange = [path.name for name, path in files.items() if name not in names]
    if strange or not files:
        what = f"no photo has the name of {', '.join(strange)}" if strange else "it has no mask"
        raise InputError(
            f"--masks {folder} takes one <stem>.png for each photo that you corrected, and nothing "
            f"else; {what}. Add the photo, take the mask out, or name the folder that the masks "
            f"are from by --run."
        )
    return [(photo, files[name]) for name, photo in names.items() if name in files]


def _names_of(run: Path | None) -> dict[str, str]:
    if run is None:
        return {}
    if not (run / NAME).exists():
        raise InputError(f"--run {run} has no {NAME}: `persam segment` did not write it.")
    return Manifest(run).names


def _refuse_labels(path: Path) -> None:
    """Refuse a label map of several objects: which of them was corrected, it does not say."""
    image = open_picture(path, upright=False)
    if image.mode != "P" or bytes(image.getpalette() or ())[:6] != PALETTE[:6]:
        return
    numbers = [number for _, number in image.getcolors() or () if number != 0]
    if len(numbers) > 1:
        raise InputError(
            f"The mask {path} shows {len(numbers)} objects, numbered "
            f"{', '.join(map(str, sorted(numbers)))}. Leave the one that the concept is of."
        )
