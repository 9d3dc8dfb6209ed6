"""Optimal transport between sets of patches, by POT (Python Optimal Transport)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from persam.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np


def require_transport() -> Any:
    """POT's module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("ot")
    except ImportError as error:
        raise MissingExtra(
            f"The earth mover's distance needs POT ({error}): pip install 'persam[baselines]'"
        ) from error


def earth_movers_distance(costs: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Least mean cost of moving one set of patches onto another.

    Args:
        costs: ``(n, m)`` from each to each, n and m at least 1.
        weights: ``(m,)`` of the second set, above 0; alike where None. The first set's are alike.

    Raises:
        MissingExtra: POT is not installed.

    Example:
        >>> import numpy as np
        >>> round(earth_movers_distance(np.array([[0.0, 1.0], [1.0, 0.5]])), 3)
        0.25
    """
    transport = require_transport()
    target = [] if weights is None else weights / weights.sum()
    return float(transport.emd2([], target, costs.astype("float64")))
