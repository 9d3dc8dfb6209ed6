"""Write a model's encoder and its guided decoder as ONNX or OpenVINO files.

What the decoder's file takes and gives is said in :mod:`persam.models.runtime.decoder_graph`.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.folders import refuse_used
from persam.io.writers import part_path, remove_abandoned
from persam.models.adapter import Adapter
from persam.models.runtime.choice import require
from persam.models.runtime.convertible import ENCODER
from persam.models.runtime.exported_metadata import EXPORTED, SUFFIXES, VERSION, Facts
from persam.models.runtime.programs import converted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from persam.models.base import Backbone
    from persam.models.runtime.convertible import Convertible


def export(
    backbone: Backbone,
    folder: Path,
    *,
    form: str = "onnx",
    photos: Sequence[np.ndarray] = (),
) -> None:
    """Write a model into a folder that :func:`persam.load` takes.

    Args:
        backbone: on the CPU, of any family; no wrapper and no plugin.
        folder: new or empty.
        form: ``"onnx"`` or ``"openvino"``.
        photos: ``(H, W, 3)`` uint8 RGB to calibrate an eight-bit encoder by; none for fp32.

    Raises:
        InputError: the folder is taken, or a model that cannot be written.
        MissingExtra: the packages that write or run it are not installed.
    """
    if form not in SUFFIXES:
        raise InputError(f"Models are exported as {' or '.join(SUFFIXES)}; got {form!r}.")
    if not isinstance(backbone, Adapter) or backbone.device != "cpu":
        raise InputError(
            f"{backbone.name} is no plain model on the CPU: plugins and matchers are not exported, "
            f"and neither is what was exported already. Load the model alone, on the CPU."
        )
    require(form)
    refuse_used(folder)
    part = part_path(folder)
    try:
        remove_abandoned(folder.parent)
        part.mkdir(parents=True)
        _write(backbone, part, form, photos)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:  # OpenVINO's word for a disk that is full
        raise InputError(f"{folder} cannot be written: {str(error).strip()[:200]}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(backbone: Adapter, folder: Path, form: str, photos: Sequence[np.ndarray]) -> None:
    encoder, decoder = backbone.convertible()
    if len(photos):
        _eight_bits(backbone, encoder, folder / f"{ENCODER}{SUFFIXES[form]}", photos)
    else:
        _copy(converted(encoder, form), folder)
    _copy(converted(decoder, form), folder)
    facts = facts_of(backbone, form, "int8" if len(photos) else "fp32")
    facts.write(folder / EXPORTED)


def _copy(file: Path, folder: Path) -> None:
    """Copy a conversion, and what else belongs to it."""
    for path in file.parent.glob(f"{file.stem}.*"):
        shutil.copy(path, folder)


def _eight_bits(
    backbone: Adapter, encoder: Convertible, file: Path, photos: Sequence[np.ndarray]
) -> None:
    from persam.models.runtime.int8 import calibrated

    source = converted(encoder, "onnx")
    with tempfile.TemporaryDirectory() as place:
        target = file if file.suffix == SUFFIXES["onnx"] else Path(place) / "int8.onnx"
        calibrated(source, target, (backbone.preprocess(photo).pixels[0] for photo in photos))
        if target != file:
            from persam.models.runtime.openvino import silent

            openvino = silent()
            model = openvino.convert_model(target)
            openvino.save_model(model, file, compress_to_fp16=False)


def facts_of(backbone: Adapter, form: str, precision: str) -> Facts:
    """What the exported model's own file says of it."""
    known = backbone.calibration
    return Facts(
        version=VERSION,
        name=backbone.name,
        family=backbone.family,
        format=form,
        precision=precision,
        mean=tuple(backbone.mean.tolist()),
        std=tuple(backbone.std.tolist()),
        keep_aspect=backbone.keep_aspect,
        matching=backbone.own_matching,
        recipe=backbone.recipe,
        ambiguous=backbone.ambiguous,
        calibration=None if known is None else (known.middle, known.slope),
        **asdict(backbone.sizes),
    )
