"""The built-in encoder's answers, worked out once for each picture of a session."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.models.runtime.staged_encoder import StagedEncoder

if TYPE_CHECKING:
    from persam.models.runtime.choice import Runner

_MOST = 150  # answers of about two megabytes

_answers: OrderedDict[tuple[str, bytes], list[np.ndarray]] = OrderedDict()


def remember_answers(encoder: Any) -> None:
    """Have the package's encoder answer a picture that was shown before from memory."""
    if isinstance(encoder, StagedEncoder):
        for name in ("_shared", "_matching", "_masks"):
            setattr(encoder, name, _remembering(name, getattr(encoder, name)))


def _remembering(name: str, ask: Runner) -> Runner:
    def answer(inputs: list[np.ndarray]) -> list[np.ndarray]:
        digest = blake2b()
        for values in inputs:
            digest.update(np.ascontiguousarray(values))
        key = name, digest.digest()
        found = _answers.pop(key, None) or ask(inputs)
        _answers[key] = found
        if len(_answers) > _MOST:
            _answers.popitem(last=False)
        return [values.copy() for values in found]

    return answer
