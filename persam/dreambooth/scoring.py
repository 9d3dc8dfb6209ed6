"""Samples of a trained subject -> how like the subject, the prompt, and the photos' background.

Identity and prompt are measured as DreamBooth does; the background is our own measure, since masked
training is there to keep it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from persam.dreambooth.subject import read_caption, read_subject, without_token
from persam.errors import InputError
from persam.io.folders import list_images
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from persam.dreambooth.features import ClipEyes, DinoEyes
    from persam.dreambooth.subject import SubjectFolder

    Find = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Means over all samples, each a cosine of -1..1.

    Attributes:
        clip_i: to the photos, by CLIP; every sample with every photo. Higher is more alike.
        clip_t: to the sample's prompt without the token, by CLIP; None without prompts.
        dino: to the photos, by DINO; tells objects of one kind better apart than CLIP.
        background: to the photos, by DINO's patches with the subject taken out: lower is better.
        background_nearest: the same, of each sample to its most similar photo alone.
        background_photos: of the photos among themselves: what samples that copied the photos'
            background would score; None with one photo.
        samples, photos: how many were compared.
        without_subject: samples in which the subject was not found.
        clip, dino_model: the models' names.
        finder: what found the subject in the samples.
    """

    clip_i: float
    clip_t: float | None
    dino: float
    background: float | None
    background_nearest: float | None
    background_photos: float | None
    samples: int
    photos: int
    without_subject: int
    clip: str
    dino_model: str
    finder: str


@dataclass(frozen=True)
class Finder:
    """How the subject is found in samples.

    Attributes:
        name: for the report.
        find: ``(H, W, 3)`` uint8 -> ``(H, W)`` bool.
    """

    name: str
    find: Find


def score(samples: Path, subject: Path, clip: ClipEyes, dino: DinoEyes, finder: Finder) -> Scores:
    """Compare a folder of samples with a subject's photos.

    Args:
        samples: pictures, with their prompts in ``<stem>.txt`` beside them.
        subject: a folder of ``persam dreambooth prepare``; its pictures and masks are the photos.
        clip: for CLIP-I and CLIP-T.
        dino: for DINO and the backgrounds.
        finder: where the subject is in a sample; a sample without it is background as a whole.

    Raises:
        InputError: no samples, or a file cannot be read.
    """
    source = read_subject(subject)
    paths = list_images([samples]).photos
    drawn = [read_image(path) for path in paths]
    read = [source.read(photo) for photo in source.photos]
    photos = [image for image, _ in read]
    found = [finder.find(picture) for picture in drawn]
    likeness = clip.pictures(drawn)
    behind = dino.backgrounds(drawn, found)
    # The subject is nowhere in a photo that was kept although it was not found.
    marked = zip(source.photos, read, strict=True)
    truth = [(weights > 0) & photo.masked for photo, (_, weights) in marked]
    rooms = dino.backgrounds(photos, truth)
    pairs = cosines(behind, rooms)
    return Scores(
        clip_i=_mean(likeness @ clip.pictures(photos).T) or 0.0,
        clip_t=_prompt_score(likeness, prompts(paths, source), clip),
        dino=_mean(dino.pictures(drawn) @ dino.pictures(photos).T) or 0.0,
        background=_mean(pairs),
        background_nearest=None if pairs.numel() == 0 else _mean(pairs.amax(1)),
        background_photos=_mean(_others(cosines(rooms, rooms))),
        samples=len(drawn),
        photos=len(photos),
        without_subject=sum(not mask.any() for mask in found),
        clip=clip.name,
        dino_model=dino.name,
        finder=finder.name,
    )


def prompts(samples: Sequence[Path], subject: SubjectFolder) -> list[str] | None:
    """Prompts of samples without the subject's token; None where no sample has one.

    Raises:
        InputError: some have one and some not.
    """
    files = [path.with_suffix(".txt") for path in samples]
    there = [file for file in files if file.is_file()]
    if not there:
        return None
    if len(there) < len(files):
        missing = next(file for file in files if not file.is_file())
        raise InputError(
            f"{len(there)} of {len(files)} samples have a prompt beside them; {missing.name} is "
            f"missing. Give each its prompt, or none."
        )
    token = subject.choices.token
    return [without_token(read_caption(file), token) for file in there]


def cosines(
    these: Sequence[torch.Tensor | None], those: Sequence[torch.Tensor | None]
) -> torch.Tensor:
    """``(n, m)`` cosines of the unit vectors that there are."""
    left = [vector for vector in these if vector is not None]
    right = [vector for vector in those if vector is not None]
    if not left or not right:
        return torch.zeros(0, 0)
    return torch.stack(left) @ torch.stack(right).T


def _prompt_score(likeness: torch.Tensor, texts: list[str] | None, clip: ClipEyes) -> float | None:
    if texts is None:
        return None
    return _mean((likeness * clip.prompts(texts)).sum(1))


def _others(square: torch.Tensor) -> torch.Tensor:
    """All values of a square matrix but its diagonal's."""
    return square[~torch.eye(len(square), dtype=torch.bool)]


def _mean(values: torch.Tensor) -> float | None:
    return round(float(values.mean()), 4) if values.numel() else None
