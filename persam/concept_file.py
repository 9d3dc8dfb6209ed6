"""Concepts on disk: one safetensors file, tensors plus a header of JSON words.

The file names the model it needs and does not contain it; reading one runs no code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from persam.errors import InputError
from persam.variants import Method, Variant

if TYPE_CHECKING:
    import torch

    from persam.backbones import Backbone
    from persam.concept import Concept

FORMAT = "2"  # 2: the pocket model weighs the strides of its matching features
_DIMENSIONS = {"target_feature": 1, "target_embedding": 1, "foreground": 2, "background": 2}


def write_concept(concept: Concept, path: str | Path) -> None:
    """Write a concept, whole or not at all: to a file beside, which then takes the name.

    Raises:
        InputError: the file cannot be written.
    """
    path = Path(path)
    tensors = {name: getattr(concept, name).cpu().contiguous() for name in _DIMENSIONS}
    header = {
        "persam_concept": FORMAT,
        "model": concept.backbone.name,
        "method": concept.method,
        "variant": concept.variant.to_json(),
        "weights": json.dumps(concept.weights),
        "reference": json.dumps(dict(concept.reference)),
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(save(tensors, header))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(
            f"The concept cannot be written to {path}: {error.strerror}. "
            f"Give a file in a folder that exists and may be written to."
        ) from error


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
    fields: dict[str, Any] = {name: tensor.to(backbone.device) for name, tensor in tensors.items()}
    return fields | _words(header, path)


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
    missing = {"model", "method", "variant", "weights", "reference"} - set(header)
    shapes = {name: tensor.ndim for name, tensor in tensors.items()}
    if missing or shapes != _DIMENSIONS:
        raise InputError(
            f"{path} is a damaged concept: it lacks {sorted(missing) or 'nothing'} and its tensors "
            f"have {shapes} dimensions, not {_DIMENSIONS}. Learn the object again."
        )
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(f"{path} is a damaged concept: its {name} has numbers that are none.")


def _words(header: dict[str, str], path: Path) -> dict[str, Any]:
    try:
        weights = json.loads(header["weights"])
        reference = json.loads(header["reference"])
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is a damaged concept: {error}.") from error
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
        "reference": reference,
    }
