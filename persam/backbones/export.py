"""Write a model's encoder and its guided decoder as ONNX or OpenVINO files.

The decoder's file takes, in this order: the features, the family's further maps, ``points``
``(1, n, 2)`` in pixels of the square, ``labels`` ``(1, n)`` (1 on the object, 0 off it, 2 and 3 a
box's corners, -1 padding), ``mask`` ``(1, 1, m, m)``, ``has_mask`` ``(1,)``, ``guide``
``(1, 1, 1, h * w)``, ``guided`` ``(1,)``, ``target`` ``(1, 1, c)``. It gives masks 0..3 and their
IoU estimates. Without guidance ``guided`` is 0 and ``target`` zeros, and the attention is plain.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AttentionInterface

from persam.backbones.adapter import Adapter
from persam.backbones.exported import DECODER, ENCODER, SUFFIXES, VERSION, Facts
from persam.backbones.prompting import lay
from persam.backbones.sam import SamBackbone
from persam.engines import require
from persam.errors import InputError
from persam.guidance import guided
from persam.structures import Embedding, Guidance, Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.backbones import Backbone

SWITCHED = "persam_switched"
POINT = Prompts(np.zeros((1, 2), np.int64), np.ones(1, np.int64))


def switched_attention(  # noqa: PLR0913 - the signature is transformers'
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`persam.guidance.guided_attention` with a switch among its inputs.

    Args:
        module: the calling layer; unused.
        query: as there.
        key: as there.
        value: as there.
        attention_mask: ``(1, 1, 2, m)``: the guide, and a row that is 1 where it is to be read
            and 0 where attention is plain; None for plain attention.
        scaling: as there.
        _: what the decoders leave at nothing.
    """
    weights = torch.softmax(query @ key.transpose(-2, -1) * scaling, dim=-1)
    if attention_mask is not None:
        guide, on = attention_mask[:, :, :1], attention_mask[:, :, 1:]
        weights = torch.where(on > 0, torch.softmax(weights + guide, dim=-1), weights)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(SWITCHED, switched_attention)


class DecoderGraph(torch.nn.Module):
    """An adapter's decoder with everything it is asked by as tensors, prompts included."""

    def __init__(self, adapter: Adapter, extras: int) -> None:
        super().__init__()
        self.model: Any = adapter.model
        self._adapter = adapter
        self._extras = extras
        self._frame = adapter.frame(adapter.square, adapter.square)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer with ``(1, 4, m, m)`` logits and ``(1, 4)`` IoU estimates."""
        features, *extras = inputs[: 1 + self._extras]
        points, labels, mask, has_mask, guide, on, target = inputs[1 + self._extras :]
        embedding = Embedding(features, features, self._frame, tuple(extras))
        rows = torch.cat([guide, on.reshape(1, 1, 1, 1).expand_as(guide)], dim=2)
        prompted = self._sparse(points, labels), self._dense(mask, has_mask)
        # The family's own way through its decoder, with these prompts in the place of any others.
        hook = self.model.prompt_encoder.register_forward_hook(lambda *_: prompted)
        try:
            with guided(self.model.mask_decoder, Guidance(rows, target), SWITCHED):
                answers = [
                    self._adapter.decode_batch([embedding], [POINT], multimask=several)[0]
                    for several in (False, True)
                ]
        finally:
            hook.remove()
        logits = torch.cat([answer.logits for answer in answers])
        return logits[None], torch.cat([answer.iou for answer in answers])[None]

    def _sparse(self, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        encoder = self.model.prompt_encoder
        kinds = encoder.point_embed
        rows = [one.weight for one in kinds] if isinstance(kinds, torch.nn.ModuleList) else None
        table = torch.cat([encoder.not_a_point_embed.weight, *(rows or [kinds.weight])])
        size = encoder.input_image_size
        places = encoder.shared_embedding(points[:, None] + 0.5, (size, size))
        return places * (labels >= 0)[:, None, :, None] + table[labels + 1][:, None]

    def _dense(self, mask: torch.Tensor, has_mask: torch.Tensor) -> torch.Tensor:
        encoder = self.model.prompt_encoder
        nothing = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return torch.where(has_mask > 0, encoder.mask_embed(mask), nothing)


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
    if not isinstance(backbone, Adapter) or backbone.device.type != "cpu":
        raise InputError(
            f"{backbone.name} is no plain model on the CPU: plugins and matchers are not exported, "
            f"and neither is what was exported already. Load the model alone, on the CPU."
        )
    require(form)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; choose a new folder.")
    part = folder.parent / f".persam-{folder.name}-{os.getpid()}.part"
    part.mkdir(parents=True)
    try:
        _write(backbone, part, form, photos)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(backbone: Adapter, folder: Path, form: str, photos: Sequence[np.ndarray]) -> None:
    blank = torch.zeros(1, 3, backbone.square, backbone.square)
    embedding = backbone.encode(np.zeros((8, 8, 3), np.uint8))
    if len(photos):
        _eight_bits(backbone, folder, form, photos)
    else:
        write = _write_onnx if form == "onnx" else _write_openvino
        write(backbone.network, {"pixels": blank}, folder / f"{ENCODER}{SUFFIXES[form]}")
    graph = DecoderGraph(backbone, len(embedding.extras)).eval()
    write = _write_onnx if form == "onnx" else _write_openvino
    write(graph, _questions(embedding), folder / f"{DECODER}{SUFFIXES[form]}")
    _facts(backbone, embedding, form, "int8" if len(photos) else "fp32").write(folder)


def _questions(embedding: Embedding) -> dict[str, torch.Tensor]:
    """Inputs of the decoder's file, by name."""
    _, channels, rows, columns = embedding.features.shape
    return {
        "features": embedding.features,
        **{f"extra_{i}": tensor for i, tensor in enumerate(embedding.extras)},
        "points": torch.zeros(1, 3, 2),
        "labels": torch.tensor([[1, 0, -1]]),
        "mask": torch.zeros(1, 1, 4 * rows, 4 * columns),
        "has_mask": torch.zeros(1),
        "guide": torch.zeros(1, 1, 1, rows * columns),
        "guided": torch.zeros(1),
        "target": torch.zeros(1, 1, channels),
    }


def _write_onnx(network: torch.nn.Module, inputs: dict[str, torch.Tensor], file: Path) -> None:
    from persam.engines import onnx

    tokens = torch.export.Dim("tokens", min=2, max=1024)
    free: Any = [{1: tokens} if name in ("points", "labels") else None for name in inputs]
    asked = "points" in inputs
    onnx.write(
        network,
        inputs,
        file,
        outputs=["logits", "iou"] if asked else None,
        dynamic=(tuple(free),) if asked else None,
    )


def _write_openvino(network: torch.nn.Module, inputs: dict[str, torch.Tensor], file: Path) -> None:
    from persam.engines import openvino

    openvino.write(network, inputs, file, free=("points", "labels"))


def _eight_bits(backbone: Adapter, folder: Path, form: str, photos: Sequence[np.ndarray]) -> None:
    from persam.engines import onnx
    from persam.engines.int8 import calibrated

    blank = torch.zeros(1, 3, backbone.square, backbone.square)
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "fp32.onnx", Path(place) / "int8.onnx"
        onnx.write(backbone.network, {"pixels": blank}, source)
        target = folder / f"{ENCODER}.onnx" if form == "onnx" else target
        calibrated(source, target, (lay(photo, backbone)[0] for photo in photos))
        if form == "openvino":
            import openvino

            model = openvino.convert_model(target)
            openvino.save_model(model, folder / f"{ENCODER}.xml", compress_to_fp16=False)


def _facts(backbone: Adapter, embedding: Embedding, form: str, precision: str) -> Facts:
    _, channels, rows, columns = embedding.features.shape
    known = backbone.calibration
    sam = isinstance(backbone, SamBackbone)
    return Facts(
        version=VERSION,
        name=backbone.name,
        family=backbone.family,
        format=form,
        precision=precision,
        square=backbone.square,
        mean=tuple(backbone.mean.tolist()),
        std=tuple(backbone.std.tolist()),
        keep_aspect=sam,
        grid=(channels, rows, columns),
        extras=len(embedding.extras),
        matching=embedding.matching is not embedding.features,
        pad_box=not sam,
        sketch=backbone.family == "pocket",
        recipe=backbone.recipe,
        ambiguous=backbone.ambiguous,
        calibration=None if known is None else (known.middle, known.slope),
    )
