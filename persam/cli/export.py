"""`persam export`: a model's encoder and decoder as ONNX or OpenVINO files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from persam.cli.console import say
from persam.cli.model_args import DeviceOption, ModelOption
from persam.errors import InputError

Format = Literal["onnx", "openvino"]
CALIBRATED_BY = 64  # photos; more change no range that matters


def export(
    out: Annotated[Path, typer.Option("--out", help="A new folder for the model.")],
    *,
    model: ModelOption = "pocket",
    form: Annotated[
        Format, typer.Option("--format", help="onnx runs nearly everywhere, openvino fastest here.")
    ] = "onnx",
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Round the encoder to eight bits, calibrated by --photos."),
    ] = False,
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photos", help="Photos, or folders of photos, to calibrate --int8 by."),
    ] = None,
    device: DeviceOption = "cpu",
) -> None:
    """Write a model as files that run without torch's weights; --model FOLDER loads them again."""
    if int8 != bool(photos):
        raise InputError("--int8 and --photos belong together: give both, or neither.")
    from persam.io.folders import list_images
    from persam.io.images import read_image
    from persam.models.loading import load
    from persam.models.runtime.export import export as write

    seen = list_images(photos).photos[:CALIBRATED_BY] if photos else []
    backbone = load(model, device=device, engine="torch", precision="fp32")
    write(backbone, out, form=form, photos=[read_image(photo) for photo in seen])
    size = sum(path.stat().st_size for path in out.iterdir())
    say(f"{model} written to {out} as {form}, {size / 1e6:.1f} MB. Use it by --model {out}")
