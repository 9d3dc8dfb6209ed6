"""What can go wrong, for callers who want to tell the cases apart.

PersamError
├── InputError       a picture, mask, prompt or option that cannot be used (also a ValueError)
├── ModelNotFound    a model that is neither on this machine nor downloadable
└── MissingExtra     an optional package that is not installed (also an ImportError)
"""

from __future__ import annotations


class PersamError(Exception):
    """Base of all errors that persam raises on purpose.

    Example:
        >>> try:
        ...     raise InputError("No such photo.")
        ... except PersamError as error:
        ...     print(error)
        No such photo.
    """


class InputError(PersamError, ValueError):
    """The input cannot be used; the message names it, what was expected and what to do.

    Example:
        >>> from persam.variants import Variant
        >>> Variant.named("offical", "persam")
        Traceback (most recent call last):
        persam.errors.InputError: The recipes are default persam, ...; got 'offical' for 'persam'.
    """


class ModelNotFound(PersamError):
    """No such model here; the message names what was tried and the ways on.

    Example:
        >>> import persam
        >>> try:
        ...     persam.load("sam-vit-hug")
        ... except ModelNotFound as error:
        ...     print("Did you mean sam-vit-huge?" in str(error))
        True
    """


class MissingExtra(PersamError, ImportError):
    """An optional package is missing; the message carries the pip line.

    Example:
        >>> from persam.io.extras import import_extra
        >>> import_extra("nowhere", "web", "The page")
        Traceback (most recent call last):
        persam.errors.MissingExtra: ...pip install 'persam[web]'
    """


def first_line(error: BaseException) -> str:
    """What another library's exception says, in one line; its name where it says nothing.

    Example:
        >>> first_line(OSError("no space left"))
        'no space left'
        >>> first_line(KeyError())
        'KeyError'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
