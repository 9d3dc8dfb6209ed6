"""What can go wrong, for callers who want to tell the cases apart.

PersamError
├── InputError       a picture, mask, prompt or option that cannot be used (also a ValueError)
├── ModelNotFound    a model that is neither on this machine nor downloadable
└── MissingExtra     an optional package that is not installed (also an ImportError)
"""

from __future__ import annotations


class PersamError(Exception):
    """Base of all errors that persam raises on purpose."""


class InputError(PersamError, ValueError):
    """The input cannot be used; the message names it, what was expected and what to do."""


class ModelNotFound(PersamError):
    """No such model here; the message names what was tried and the ways on."""


class MissingExtra(PersamError, ImportError):
    """An optional package is missing; the message carries the pip line."""
