"""What a person may have meant by an option that a command does not have."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import typer

# The class above this one, wherever the installed typer has it.
UsageError: Any = typer.BadParameter.__mro__[1]

_ALIKE = 0.75  # ratio of letters in common; below it is another word
_FIRST = "The picture that shows the object is the first word: persam learn dog.jpg --mask dog.png"
_CONCEPT = "The object comes from --concept, a file that `persam learn` writes."
_PHOTOS = "Photos and folders of them need no option: they are the command's words."
_MEANT = {
    ("learn", "--reference"): f"{_FIRST} --out dog.safetensors.",
    ("learn", "--image"): f"{_FIRST} --out dog.safetensors.",
    ("learn", "--concept"): "That is what --out names here; --also takes further pictures.",
    ("find", "--reference"): _CONCEPT,
    ("find", "--mask"): _CONCEPT,
    ("segment", "--photos"): _PHOTOS,
    ("segment", "--images"): _PHOTOS,
    ("find", "--photos"): _PHOTOS,
    ("track", "--clip"): "The clip, or the folder of frames, is the command's first word.",
    ("track", "--video"): "The clip, or the folder of frames, is the command's first word.",
}


def say_what_is_meant(error: Any, command: str | None) -> None:
    """Put a suggestion that helps into the error of an unknown option, and take others out.

    Args:
        error: a :data:`UsageError` of any kind; those of other kinds stay as they are.
        command: that was called.
    """
    option = getattr(error, "option_name", None)
    if option is None or not hasattr(error, "possibilities"):
        return
    alike = [
        one
        for one in error.possibilities or ()
        if SequenceMatcher(a=option, b=one).ratio() > _ALIKE
    ]
    error.possibilities = alike or None
    if not alike and (meant := _MEANT.get((command or "", option))):
        error.message = f"{error.message}. {meant}"
