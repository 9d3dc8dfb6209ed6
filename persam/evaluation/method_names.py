"""A method by its name, or out of a file of the user's own."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.special_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.methods.learner import Learner

SEGGPT = "seggpt"
# Imported when they are asked for: naming them loads no model library.
_HOMES: Mapping[str, str] = MappingProxyType(
    {
        "persam": "persam.methods.persam:personalize",
        "persam-f": "persam.methods.persam_f:finetune",
        "prompt-tuning": "persam.evaluation.baselines.prompt_tuning:prompt_tuning",
        "adapter": "persam.evaluation.baselines.adapter:adapter",
        "lora": "persam.evaluation.baselines.lora:lora",
        "free-weights": "persam.evaluation.baselines.free_weights:free_weights",
        "nearest-neighbour": "persam.evaluation.methods.nearest_neighbour:nearest_neighbour",
        "matcher": "persam.evaluation.methods.matcher:matcher",
        "gf-sam": "persam.evaluation.methods.gf_sam:gf_sam",
        "insid3": "persam.evaluation.methods.insid3:insid3",
        "p2sam": "persam.evaluation.methods.p2sam:p2sam",
    }
)
NAMES = (*_HOMES, SEGGPT)
# A recipe of persam's variants is an argument of these alone: they take ``variant=``.
WITH_VARIANT = tuple(name for name, home in _HOMES.items() if ".evaluation.methods." not in home)
# These take a persam.Reference, which says that a mask is meant as it is.
_OF_REFERENCES = ("persam", "persam-f")


def resolve_method(text: str, *, device: str = "auto") -> Learner:
    """Give the method of that name, or the one in a file.

    Args:
        text: one of ``NAMES``, or ``file.py:function``.
        device: where a method that brings its own model (SegGPT) puts it.

    Raises:
        InputError: no such name, file or function, or a function that is not called like a method.
        ModelNotFound: SegGPT's weights are neither here nor downloadable.
        MissingExtra: the method needs a package that is not installed.

    Example:
        >>> resolve_method("personal")
        Traceback (most recent call last):
        persam.errors.InputError: There is no method 'personal'; did you mean persam or persam-f? \
The methods are persam, persam-f, prompt-tuning, adapter, lora, free-weights, nearest-neighbour, \
matcher, gf-sam, insid3, p2sam, seggpt, and file.py:function for one of your own.
    """
    if text == SEGGPT:
        from persam.evaluation.baselines.seggpt import load_seggpt

        return load_seggpt(device=device)
    if text in _HOMES:
        module, _, name = _HOMES[text].partition(":")
        method = getattr(import_module(module), name)
        return _with_masks_as_given(method) if text in _OF_REFERENCES else method
    if ":" in text:
        return load_function(text)
    close = get_close_matches(text.lower().replace("_", "-"), NAMES, n=2)
    meant = f"; did you mean {' or '.join(close)}?" if close else "."
    raise InputError(
        f"There is no method {text!r}{meant} The methods are {', '.join(NAMES)}, and "
        f"file.py:function for one of your own."
    )


def _with_masks_as_given(method: Any) -> Learner:
    """A method that is not asked whether a data set's mask is meant as it is."""

    @functools.wraps(method)
    def learn(backbone: Any, image: Any, *, mask: Any, **options: Any) -> Any:
        from persam.pipeline.reference import Reference

        return method(backbone, Reference(image, mask, as_given=True), **options)

    return learn


def load_function(text: str) -> Learner:
    """Take a method out of a Python file, which is run for it.

    What the file raises on its own account comes through as it is, with its traceback. It imports
    what is installed; files beside it are not on the path.

    Args:
        text: ``file.py:function``; the function is called as
            :class:`~persam.methods.learner.Learner` says.

    Raises:
        InputError: no such file, not Python, no such function, or one with other parameters.
    """
    place, _, name = text.rpartition(":")
    path = Path(place).expanduser()
    if not place or not name:
        raise InputError(f"A method of your own is given as file.py:function; got {text!r}.")
    if path.suffix != ".py" or not path.is_file():
        raise InputError(
            f"{text!r} names no method: {path.absolute()} is no Python file. "
            f"Give file.py:function, or one of {', '.join(NAMES)}."
        )
    function: Any = getattr(_run(path), name, None)
    if not callable(function):
        raise InputError(f"{path} has no function {name!r}. Give file.py:function with one of its.")
    _check_signature(function, text)
    learner: Any = function
    return learner


def _run(path: Path) -> Any:
    """Import a file under a name that no other file has, wherever it lies."""
    digest = hashlib.sha256(read_bytes(path)).hexdigest()
    name = f"persam_method_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be imported. Give a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up while they are made
    done = False
    try:
        spec.loader.exec_module(module)
        done = True
    except SyntaxError as error:
        raise InputError(
            f"{path} is not Python: {error.msg}, line {error.lineno}. Mend the file."
        ) from error
    finally:
        if not done:
            del sys.modules[name]
    return module


def _check_signature(function: Any, text: str) -> None:
    try:
        inspect.signature(function).bind(None, None, mask=None)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{text} is not called like a method ({error}): expected "
            f"{text.rpartition(':')[2]}(backbone, image, *, mask)."
        ) from error
