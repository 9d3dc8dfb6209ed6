"""Concepts on disk: one safetensors file, tensors plus a header of JSON words.

The file names the model it needs and does not contain it; reading one runs no code.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from persam.errors import InputError
from persam.io.writers import write_bytes
from persam.pipeline.views import ReferenceView
from persam.structures import Calibration
from persam.variants import Method, Variant

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.models.base import Backbone

FORMAT = "3"  # 3: several views, negatives, and the calibration of presence
_DIMENSIONS = {"target_feature": 1, "target_embedding": 1, "foreground": 2, "background": 2}
_KEYS = {"model", "method", "variant", "weights", "calibration", "views", "negatives"}


def write_concept(concept: Concept, path: str | Path) -> None:
    """Write a concept, whole or not at all.

    Raises:
        InputError: the file cannot be written, or would replace one that is no concept.
    """
    refuse_other_file(path)
    tensors: dict[str, torch.Tensor] = {}
    header = {
        "persam_concept": FORMAT,
        "model": concept.backbone.name,
        "method": concept.method,
        "variant": concept.variant.to_json(),
        "weights": json.dumps(concept.weights),
        "calibration": json.dumps(concept.calibration and asdict(concept.calibration)),
    }
    for kind, views in (("views", concept.views), ("negatives", concept.negatives)):
        header[kind] = json.dumps([dict(view.facts) for view in views])
        for number, view in enumerate(views):
            for name in _DIMENSIONS:
                tensors[f"{kind}.{number}.{name}"] = getattr(view, name).cpu().contiguous()
    write_bytes(path, save(tensors, header))


def refuse_other_file(path: str | Path) -> None:
    """Refuse to replace a file that is no concept.

    Raises:
        InputError: there is such a file, or one that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        with safe_open(path, framework="pt") as file:
            known = "persam_concept" in (file.metadata() or {})
    except (OSError, SafetensorError):
        known = path.is_file() and path.stat().st_size == 0
    if not known:
        raise InputError(f"{path} would be replaced, and is no concept. Choose another name.")


def concept_model(path: str | Path) -> str:
    """Name of the model that a concept file was learnt with, to load before the concept.

    Raises:
        InputError: no such file, or not a concept.
    """
    return _open(Path(path))[0]["model"]


def read_concept(path: str | Path, backbone: Backbone) -> dict[str, Any]:
    """Fields of a :class:`~persam.concept.Concept` by name, but for the backbone itself.

    Args:
        path: what :func:`write_concept` wrote.
        backbone: whose name has to be the one in the file; its device takes the tensors.

    Raises:
        InputError: no such file, not a concept, damaged, or learnt with another model.
    """
    path = Path(path)
    header, tensors = _open(path)
    if header["model"] != backbone.name:
        raise InputError(
            f"{path} was learnt with the model {header['model']!r}, but {backbone.name!r} is "
            f"loaded; their features do not compare. Load {header['model']!r}, or learn the "
            f"object again with {backbone.name!r}."
        )
    tensors = {name: tensor.to(backbone.device) for name, tensor in tensors.items()}
    try:
        return _words(header, path) | {
            kind: tuple(
                _view(facts, tensors, f"{kind}.{number}.")
                for number, facts in enumerate(json.loads(header[kind]))
            )
            for kind in ("views", "negatives")
        }
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is a damaged concept: {error!r}. Learn the object again."
        ) from error


def _view(facts: dict[str, Any], tensors: dict[str, torch.Tensor], start: str) -> ReferenceView:
    """The view whose tensors' names begin so."""
    return ReferenceView(**{name: tensors[start + name] for name in _DIMENSIONS}, facts=facts)


def _open(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Header and tensors, after checking that they are a concept's."""
    try:
        # safetensors maps the file and words these errors in its own way; the system's are better.
        with path.open("rb"):
            pass
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise InputError(f"The concept {path} cannot be read: {error.strerror}.") from error
    except SafetensorError as error:
        raise InputError(
            f"{path} is not a concept file, or damaged: {error}. Learn the object again."
        ) from error
    _check(header, tensors, path)
    return header, tensors


def _check(header: dict[str, str], tensors: dict[str, torch.Tensor], path: Path) -> None:
    version = header.get("persam_concept")
    if version is None:
        raise InputError(
            f"{path} is a safetensors file, but not a concept. Give a file that "
            f"`persam learn` or Concept.save wrote."
        )
    if version != FORMAT:
        raise InputError(
            f"{path} has the concept format {version}; this persam reads {FORMAT}. "
            f"Use the persam that wrote it, or learn the object again."
        )
    missing = _KEYS - set(header)
    wrong = {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if _DIMENSIONS.get(name.rpartition(".")[2]) != tensor.ndim
    }
    if missing or wrong or not tensors:
        raise InputError(
            f"{path} is a damaged concept: it lacks {sorted(missing) or 'no word'}, and of its "
            f"{len(tensors)} tensors these have a strange name or shape: {wrong or 'none'}. "
            f"Learn the object again."
        )
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(f"{path} is a damaged concept: its {name} has numbers that are none.")


def _words(header: dict[str, str], path: Path) -> dict[str, Any]:
    weights, calibration = json.loads(header["weights"]), json.loads(header["calibration"])
    if header["method"] not in get_args(Method):
        raise InputError(
            f"{path} was learnt by {header['method']!r}; this persam knows "
            f"{', '.join(get_args(Method))}."
        )
    if weights is not None and (np.shape(weights) != (3,) or not np.isfinite(weights).all()):
        raise InputError(f"{path} is a damaged concept: weights are three numbers; got {weights}.")
    return {
        "method": header["method"],
        "variant": Variant.from_json(header["variant"]),
        "weights": None if weights is None else tuple(weights),
        "calibration": None if calibration is None else Calibration(**calibration),
    }
