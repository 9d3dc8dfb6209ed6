"""The command lines that do what the page does, to go on with in a terminal or a script."""

from __future__ import annotations

import shlex
from pathlib import Path
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
        named = [f"{one.name}={shown_path(concept_file(session.run, one))}" for one in learnable]
        run = shown_path(session.run)
        words = ["persam", "segment", shown_path(session.media.folder), "--out", run]
        words += [word for name in named for word in ("--concept", name)]
        lines.append(shlex.join([*words, "--cache", shown_path(session.run / "cache")]))
    return [line for line in lines if line]


def _learn(session: Session, one: NamedObject) -> str:
    file = shown_path(concept_file(session.run, one))
    marks = taught(one)
    shown = [mark for mark in marks if mark.kind != "other"]
    if one.concept is not None or not shown:
        return ""
    others = [mark for mark in marks if mark.kind == "other"]
    first = shown[0]
    mask = shown_path(session.run / str(first.mask))
    words = ["persam", "learn", shown_path(Path(first.photo)), "--mask", mask]
    words += [word for mark in shown[1:] for word in ("--also", _pair(session, mark))]
    words += [word for mark in others for word in ("--not", _pair(session, mark))]
    words += ["--model", session.model_name(), "--min-presence", f"{SEARCHED:g}"]
    return shlex.join([*words, "--out", file])


def _pair(session: Session, mark: Mark) -> str:
    return f"{shown_path(Path(mark.photo))}:{shown_path(session.run / str(mark.mask))}"


def shown_path(path: Path) -> str:
    """A path as a person would type it where the page was started."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
