"""Were the masks used? Read from what a training run has written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from persam.dreambooth.journal import LOG, PICTURES, read_settings
from persam.errors import InputError
from persam.runs import read_steps


@dataclass(frozen=True)
class PictureCheck:
    """What became of one photo's mask.

    Attributes:
        name: of the photo.
        share: part of its latent cells that the loss is taken on, 0..1.
        seen: in how many steps it was shown.
        inside: mean error where the mask is above 0, over the first and the last third of those.
        outside: the same where the mask is 0; None where it is nowhere 0.
        leak: the largest gradient that ever reached a prediction where the mask is 0.
    """

    name: str
    share: float
    seen: int
    inside: tuple[float, float] | None
    outside: tuple[float, float] | None
    leak: float


@dataclass(frozen=True)
class RunCheck:
    """What a run shows of its masks.

    Attributes:
        steps: how many were logged.
        pictures: each photo's figures.
        verdict: one sentence.
        used: whether masks were there and no gradient passed them.
    """

    steps: int
    pictures: tuple[PictureCheck, ...]
    verdict: str
    used: bool


def check_run(out: str | Path) -> RunCheck:
    """Look through a run's log.

    Raises:
        InputError: not a training run, or nothing was logged yet.
    """
    out = Path(out)
    settings, lines = read_settings(out), read_steps(out / LOG)
    if settings is None or not lines:
        raise InputError(
            f"{out} holds no log of a training run. Give the --out folder of `persam dreambooth "
            f"train`, after its first steps."
        )
    logged = [photo for line in lines for photo in line["pictures"]]
    pictures = tuple(_picture(row, logged) for row in _rows(out))
    used, verdict = _judge(pictures)
    return RunCheck(len(lines), pictures, verdict, used)


def _rows(out: Path) -> list[dict[str, Any]]:
    try:
        return json.loads((out / PICTURES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{out / PICTURES} cannot be read: {error}.") from error


def _picture(row: dict[str, Any], logged: list[dict[str, Any]]) -> PictureCheck:
    own = [photo for photo in logged if photo["name"] == row["name"]]
    return PictureCheck(
        name=row["name"],
        share=row["trained_cells"] / row["cells"],
        seen=len(own),
        inside=_ends([photo["inside"] for photo in own]),
        outside=_ends([photo["outside"] for photo in own if photo["outside"] is not None]),
        leak=max((photo["leak"] for photo in own), default=0.0),
    )


def _ends(values: list[float]) -> tuple[float, float] | None:
    """Means of the first and the last third, at least one value each.

    Example:
        >>> _ends([6.0, 2.0, 1.0])
        (6.0, 1.0)
    """
    third = max(1, len(values) // 3)
    return (fmean(values[:third]), fmean(values[-third:])) if values else None


def _judge(pictures: tuple[PictureCheck, ...]) -> tuple[bool, str]:
    leaking = [picture.name for picture in pictures if picture.leak > 0]
    masked = [picture for picture in pictures if picture.share < 1]
    if leaking:
        return False, f"Masks were NOT used: gradients reached the background of {_few(leaking)}."
    if not masked:
        return False, "No photo has a mask that leaves anything out."
    if not any(picture.seen for picture in masked):
        return False, "No photo with a mask was shown yet."
    whole = [picture.name for picture in pictures if picture.share == 1]
    rest = f"; {_few(whole)} as a whole" if whole else ""
    return True, (
        f"Masks were used: no gradient reached the background of {len(masked)} "
        f"photo{'' if len(masked) == 1 else 's'}{rest}."
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
