"""What a person says of an object in a photo, put on the disk: masks as files, words in the state.

A mask that a person made lies in a folder of its own, under the name of the photo's results, so
that `persam learn` and `persam correct` take it as it is; and the photo's mask in the run's folder
shows it too. No run changes either: photos with hand work are not searched again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam.album.output import Output
from persam.app.objects import HAND_MADE, MOST_OBJECTS, Mark, NamedObject
from persam.app.photos import is_frame
from persam.errors import InputError
from persam.io.writers import write_labels, write_mask

if TYPE_CHECKING:
    from pathlib import Path

    from persam.app.objects import AppState, Kind
    from persam.app.photos import MediaFile
    from persam.app.session import Session

_FOLDERS: dict[Kind, str] = {"shown": "references", "other": "not", "corrected": "corrections"}


def add_object(session: Session, name: str) -> NamedObject:
    """Have one more object to look for.

    Raises:
        InputError: a name that is taken or cannot be used, or too many objects.
    """
    added = NamedObject(name)

    def update(state: AppState) -> AppState:
        taken = {one.stem.casefold() for one in state.objects}
        if added.stem.casefold() in taken:
            raise InputError(f"There is an object called {name} already. Choose another name.")
        if len(state.objects) >= MOST_OBJECTS:
            raise InputError(f"The page takes {MOST_OBJECTS} objects. Remove one first.")
        return replace(state, objects=(*state.objects, added))

    session.change(update)
    return added


def remove_object(session: Session, name: str) -> None:
    """Look for an object no more; its masks and concept stay in the folder of the run."""
    session.named(name)

    def update(state: AppState) -> AppState:
        return replace(state, objects=tuple(one for one in state.objects if one.name != name))

    session.change(update)


def set_mask(session: Session, photo: MediaFile, name: str, kind: Kind, mask: np.ndarray) -> None:
    """Say by a mask what the object is in a photo, or what it is not.

    Args:
        session: whose run's folder takes the mask.
        photo: where.
        name: of the object.
        kind: ``shown``, ``other`` or ``corrected``.
        mask: ``(height, width)`` bool of the photo's size.

    Raises:
        InputError: the mask shows nothing or everything.
    """
    _refuse_useless(mask, may_be_missing=kind == "corrected" and not is_frame(photo))
    with session.lock:
        one, stem = session.named(name), session.stem(photo)
        file = session.run / _FOLDERS[kind] / one.stem / f"{stem}.png"
        write_mask(file, mask)
        mark = Mark(str(photo.path), kind, str(file.relative_to(session.run)))
        session.replace_object(one.with_mark(mark), name)
        if kind in HAND_MADE:
            _show_in_run(session, photo)
    session.tell(photo)


def set_verdict(session: Session, photo: MediaFile, name: str, kind: Kind) -> None:
    """Say in a word how it is: ``right``, ``wrong`` or ``absent``."""
    with session.lock:
        one = session.named(name)
        session.replace_object(one.with_mark(Mark(str(photo.path), kind)), name)
        if kind in HAND_MADE:
            _show_in_run(session, photo)
    session.tell(photo)


def take_back(session: Session, photo: MediaFile, name: str, *, other: bool) -> None:
    """Say nothing of an object in a photo any more; it is searched again with the next run."""
    with session.lock:
        one = session.named(name)
        before = one.mark(str(photo.path))
        session.replace_object(one.without_mark(str(photo.path), other=other), name)
        hand_made = not other and before is not None and before.kind in HAND_MADE
        if hand_made and not is_frame(photo):
            # What we wrote there for the person; the next search makes the photo's mask anew.
            _result_file(session, photo).unlink(missing_ok=True)
    session.tell(photo)


def hand_work(state: AppState) -> set[str]:
    """Paths of the photos in which a person has settled anything: no run looks at them again."""
    kinds = HAND_MADE | {"right"}
    return {mark.photo for one in state.objects for mark in one.marks if mark.kind in kinds}


def unlearnt(state: AppState) -> list[tuple[NamedObject, Mark]]:
    """Corrections that no concept has learnt from yet."""
    marks = [(one, mark) for one in state.objects for mark in one.marks]
    return [(one, mark) for one, mark in marks if mark.kind == "corrected" and not mark.learnt]


def learn_corrections(session: Session) -> int:
    """Make every correction a reference; how many there were."""
    new = unlearnt(session.state)

    def update(state: AppState) -> AppState:
        return replace(state, objects=tuple(map(_all_learnt, state.objects)))

    session.change(update)
    session.tell_photos([photo for photo in session.paths() if str(photo) in _photos(new)])
    return len(new)


def _photos(marks: list[tuple[NamedObject, Mark]]) -> set[str]:
    return {mark.photo for _, mark in marks}


def _all_learnt(one: NamedObject) -> NamedObject:
    marks = (replace(m, learnt=m.learnt or m.kind == "corrected") for m in one.marks)
    return replace(one, marks=tuple(marks))


def _show_in_run(session: Session, photo: MediaFile) -> None:
    """Let the photo's mask among the run's results be what the person said."""
    if is_frame(photo):  # tracking takes a person's masks itself
        return
    labels, path = session.labels(photo), _result_file(session, photo)
    if labels is not None:
        write_labels(path, labels)
        return
    if path.exists():  # the object was there by the run, and is not by the person
        from persam.io.picture_file import open_picture

        width, height = open_picture(path).size
        write_labels(path, np.zeros((height, width), dtype=np.uint8))


def _result_file(session: Session, photo: MediaFile) -> Path:
    return Output(session.run).files(session.stem(photo))["masks"]


def _refuse_useless(mask: np.ndarray, *, may_be_missing: bool) -> None:
    if not mask.any():
        hint = ' Say "not here" where the object is missing.' if may_be_missing else ""
        raise InputError(f"Nothing is marked: click on the object, drag a box or paint.{hint}")
    if mask.all():
        raise InputError("Everything is marked; leave out what is not the object.")
