"""Concepts on disk: one safetensors file, arrays plus a header of JSON words.

The file names the model it needs and does not contain it; reading one runs no code. What is read
here are plain values; :mod:`persam.concept` makes an object of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from persam.errors import InputError
from persam.io.digest import check_digest, with_digest
from persam.io.records import MOST_LETTERS, parse
from persam.io.special_files import refuse_special
from persam.io.writers import write_single
from persam.structures import NO_COLOURS, Calibration, ModelSpec
from persam.variants import Method, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "4"  # 4: the model as fields, references and negatives
# Arrays of a reference, and how many axes each has.
ARRAYS = {
    "target_feature": 1,
    "target_embedding": 1,
    "foreground": 2,
    "background": 2,
    "colours": 2,
}
_KEYS = {"model", "method", "variant", "weights", "calibration", "references", "negatives"}


@dataclass(frozen=True, eq=False)
class StoredReference:
    """One reference in a file.

    Attributes:
        arrays: float32, by the names of :data:`ARRAYS`.
        facts: how the object was shown.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class StoredConcept:
    """All that a concept file says.

    Attributes:
        model: what to load for it.
        method: by which it was learnt.
        variant: the recipe.
        weights: PerSAM-F's; None for PerSAM.
        calibration: of presence, if there is one.
        references: of the object.
        negatives: of what is not the object.
    """

    model: ModelSpec
    method: Method
    variant: Variant
    weights: tuple[float, float, float] | None
    calibration: Calibration | None
    references: tuple[StoredReference, ...]
    negatives: tuple[StoredReference, ...]


def write_concept(stored: StoredConcept, path: str | Path) -> None:
    """Write a concept, whole or not at all.

    Raises:
        InputError: the file cannot be written, or would replace one that is no concept.
    """
    refuse_other_file(path)
    arrays: dict[str, np.ndarray] = {}
    header = {
        "persam_concept": FORMAT,
        "model": json.dumps(asdict(stored.model)),
        "method": stored.method,
        "variant": stored.variant.to_json(),
        "weights": json.dumps(stored.weights),
        "calibration": json.dumps(stored.calibration and asdict(stored.calibration)),
    }
    for kind in ("references", "negatives"):
        several: tuple[StoredReference, ...] = getattr(stored, kind)
        header[kind] = json.dumps([dict(one.facts) for one in several])
        for number, one in enumerate(several):
            for name in ARRAYS:
                arrays[f"{kind}.{number}.{name}"] = np.ascontiguousarray(one.arrays[name])
    write_single(path, with_digest(save(arrays, header)))


def refuse_other_file(path: str | Path) -> None:
    """Refuse to replace a file that is no concept.

    Raises:
        InputError: there is such a file, or one that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        return
    refuse_special(path)
    try:
        with safe_open(path, framework="np") as file:
            known = "persam_concept" in (file.metadata() or {})
    except (OSError, SafetensorError):
        known = path.is_file() and path.stat().st_size == 0
    if not known:
        raise InputError(f"{path} would be replaced, and is no concept. Choose another name.")


def concept_model(path: str | Path) -> ModelSpec:
    """The model that a concept file was learnt with, to load before the concept.

    Raises:
        InputError: no such file, or not a concept.
    """
    return read_concept(path).model


def read_concept(path: str | Path) -> StoredConcept:
    """Read what :func:`write_concept` wrote.

    Raises:
        InputError: no such file, not a concept, of another format, or damaged.
    """
    path = Path(path)
    header, arrays = _open(path)
    try:
        return StoredConcept(
            model=_model(header["model"]),
            **_words(header, path),
            references=_several("references", header, arrays),
            negatives=_several("negatives", header, arrays),
        )
    except (KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is a damaged concept: {error!r}. Learn the object again."
        ) from error


def _model(text: str) -> ModelSpec:
    spec = parse(text, ModelSpec)
    if set(parse(text, dict[str, Any])) - set(asdict(spec)):
        raise ValueError("a model is said by its name, match_with and plugin")
    names = [name for name in (spec.name, spec.match_with, spec.plugin) if name is not None]
    if any("\0" in name or not 0 < len(name) <= MOST_LETTERS for name in names):
        raise ValueError("a model's name is empty, too long or holds a NUL")
    return spec


def _several(
    kind: str, header: Mapping[str, str], arrays: Mapping[str, np.ndarray]
) -> tuple[StoredReference, ...]:
    """The references whose arrays' names begin so."""
    several = []
    for number, facts in enumerate(parse(header[kind], list[dict[str, Any]])):
        # A concept from before they were kept has no colours.
        known = {f"{kind}.{number}.colours": NO_COLOURS, **arrays}
        mine = {name: known[f"{kind}.{number}.{name}"] for name in ARRAYS}
        several.append(StoredReference(mine, facts))
    return tuple(several)


def _open(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Header and arrays, after checking that they are a concept's, and as it was written."""
    try:
        # safetensors maps the file and words these errors in its own way; the system's are better.
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a file. Give what `persam learn` wrote.")
        check_digest(path)
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"The concept {path} cannot be read: {reason}.") from error
    except (SafetensorError, TypeError) as error:  # TypeError: numbers that NumPy does not have
        raise InputError(
            f"{path} is not a concept file, or damaged: {error}. Learn the object again."
        ) from error
    _check(header, arrays, path)
    return header, arrays


def _check(header: dict[str, str], arrays: dict[str, np.ndarray], path: Path) -> None:
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
        name: f"{array.shape} {array.dtype}"
        for name, array in arrays.items()
        if ARRAYS.get(name.rpartition(".")[2]) != array.ndim or array.dtype != np.float32
    }
    if missing or wrong or not arrays:
        raise InputError(
            f"{path} is a damaged concept: it lacks {sorted(missing) or 'no word'}, and of its "
            f"{len(arrays)} arrays these have a strange name, shape or type: {wrong or 'none'}. "
            f"Learn the object again."
        )
    for kind in ARRAYS:
        widths = {array.shape[-1] for name, array in arrays.items() if name.endswith(f".{kind}")}
        if len(widths) > 1 or 0 in widths or (kind == "colours" and widths - {3}):
            raise InputError(
                f"{path} is a damaged concept: its arrays {kind} are {sorted(widths)} numbers "
                f"wide. Learn the object again."
            )
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path} is a damaged concept: its {name} contains NaN or infinity.")


def _words(header: dict[str, str], path: Path) -> dict[str, Any]:
    if header["method"] not in get_args(Method):
        raise InputError(
            f"{path} was learnt by {header['method']!r}; this persam knows "
            f"{', '.join(get_args(Method))}."
        )
    parse(header["variant"], dict[str, Any])
    return {
        "method": header["method"],
        "variant": Variant.from_json(header["variant"]),
        "weights": parse(header["weights"], tuple[float, float, float] | None),
        "calibration": parse(header["calibration"], Calibration | None),
    }
