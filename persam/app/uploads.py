"""Photos that are dropped on the page: looked at, then kept in the run's folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.folders import SUFFIXES
from persam.io.picture_file import open_picture
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from persam.app.session import Session

_NEVER = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


def take_upload(session: Session, name: str, data: bytes) -> dict[str, Any]:
    """Keep a photo, unless it is none.

    Args:
        session: whose run's folder takes it.
        name: the file's, as the person's machine has it; only its last part counts.
        data: its bytes.

    Raises:
        InputError: no picture, or damaged, or with a name that pictures do not have.
    """
    file = session.media.uploads / _safe(name)
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"Photos end in {' '.join(sorted(SUFFIXES))}; got {file.name!r}.")
    file = _free(file)
    with written_whole(file) as part:
        part.write_bytes(data)
        _refuse_damaged(part, file.name)
    session.media.scan()
    for photo in session.media.photos.values():
        if photo.path == file.absolute():
            described = session.results.describe(photo, session.state.objects)
            session.events.publish("photo", photo=described)
            return {"id": photo.id}
    raise InputError(f"{file.name} cannot be found again in the folder of the run.")


def _refuse_damaged(part: Path, name: str) -> None:
    try:
        open_picture(part)
    except InputError as error:
        raise InputError(str(error).replace(str(part), name)) from error


def _safe(name: str) -> str:
    r"""The last part of a name, without signs that file systems or shells take amiss.

    Example:
        >>> _safe("../../etc/a<b>.jpg"), _safe("C:\\photos\\dog.png"), _safe("..")
        ('a-b-.jpg', 'dog.png', 'photo')
    """
    last = re.split(r"[/\\]", name)[-1]
    clean = _NEVER.sub("-", last).strip(" .-") or "photo"
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:80]}{dot}{suffix[:8]}" if dot else clean[:80]


def _free(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free
