"""`persam label-studio`: the ML backend that Label Studio is told the address of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import say
from persam.cli.model_args import DeviceOption, EngineOption, ModelOption, PrecisionOption
from persam.errors import MissingExtra


def label_studio(
    concepts: Annotated[
        Path,
        typer.Argument(help="A set of concepts from `persam learn`, or a new file: *.safetensors."),
    ],
    images: Annotated[Path, typer.Option("--images", help="Folder of the project's pictures.")],
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 9090,
    model: ModelOption = "pocket",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Answer Label Studio: learn what is labelled there, predict all other tasks, take clicks.

    In the project's settings, under Model, connect http://localhost:9090.
    """
    try:
        import uvicorn

        from persam.integrations.label_studio_server import create_backend_app
    except ImportError as error:
        raise MissingExtra("The backend needs an extra: pip install 'persam[app]'") from error
    from persam.integrations.label_studio import LabelBackend

    place = {"device": device, "precision": precision, "engine": engine}
    backend = LabelBackend(concepts, images, model=model, **place)
    say(f"Connect http://{host}:{port} in Label Studio; what is learnt goes to {concepts}")
    uvicorn.run(create_backend_app(backend), host=host, port=port, log_level="warning")
