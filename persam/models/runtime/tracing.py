"""A network written down as the calls that it makes, for engines that are not torch."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from persam.errors import InputError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def converting(what: str, *failures: type[Exception]) -> Iterator[None]:
    """Hold a converter's warnings back, and say what could not be converted.

    Args:
        what: begins the message.
        failures: how the converter fails, besides the built-in errors.

    Raises:
        InputError: the converter gave up.
    """
    try:
        with warnings.catch_warnings():
            # Sizes become constants on purpose: a model's square never changes.
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, ValueError, TypeError, NotImplementedError, *failures) as error:
        first = first_line(error)
        raise InputError(
            f'{what} failed ({first}). The engine torch runs every model: engine="torch".'
        ) from error


@contextmanager
def hushed(logger: str | None) -> Iterator[None]:
    """Let a logger (None: the root) pass errors alone: converters advise where nobody can act."""
    loud = logging.getLogger(logger)
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        yield
    finally:
        loud.setLevel(level)


@torch.no_grad()
def traced(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    """Record one run of a network; what depends on the inputs' values is not allowed in it."""
    return torch.jit.trace(network, inputs, check_trace=False)
