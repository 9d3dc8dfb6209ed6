"""The command lines that do what the page does, to go on with in a terminal or a script."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from persam.app.learning import SEARCHED, concept_file, taught

if TYPE_CHECKING:
    from persam.app.objects import Mark, NamedObject
    from persam.app.session import Session


def command_lines(session: Session) -> list[str]:
    """One command a line: learning each object, then searching the photos into the same folder."""
    learnable = [one for one in session.state.objects if one.learnable]
    lines = [_learn(session, one) for one in learnable]
    if learnable and session.media.folder is not None:
        named = [f"{one.name}={concept_file(session.run, one)}" for one in learnable]
        words = ["persam", "segment", str(session.media.folder), "--out", str(session.run)]
        words += [word for name in named for word in ("--concept", name)]
        lines.append(shlex.join([*words, "--cache", str(session.run / "cache")]))
    return [line for line in lines if line]


def _learn(session: Session, one: NamedObject) -> str:
    file = str(concept_file(session.run, one))
    marks = taught(one)
    shown = [mark for mark in marks if mark.kind != "other"]
    if one.concept is not None or not shown:
        return ""
    others = [mark for mark in marks if mark.kind == "other"]
    first = shown[0]
    words = ["persam", "learn", first.photo, "--mask", str(session.run / str(first.mask))]
    words += [word for mark in shown[1:] for word in ("--also", _pair(session, mark))]
    words += [word for mark in others for word in ("--not", _pair(session, mark))]
    words += ["--model", session.model_name(), "--min-presence", f"{SEARCHED:g}"]
    return shlex.join([*words, "--out", file])


def _pair(session: Session, mark: Mark) -> str:
    return f"{mark.photo}:{session.run / str(mark.mask)}"
