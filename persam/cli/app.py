"""`persam app`: the local web page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.concept_args import ConceptArgs
from persam.cli.console import say
from persam.cli.model_args import DeviceOption, EngineOption, PrecisionOption
from persam.errors import MissingExtra
from persam.io.folders import real_path

if TYPE_CHECKING:
    from collections.abc import Callable


def app(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of photos; left out, photos are dropped on it.")
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for everything that is done; left out: FOLDER-persam beside it."
        ),
    ] = None,
    concept: Annotated[
        list[str] | None,
        typer.Option(
            "--concept",
            metavar="[NAME=]FILE",
            help="An object to begin with: a file from `persam learn`. May be given again.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Left out: the concepts' own, or the built-in pocket."),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Port of the page; 0 takes a free one.")] = 0,
    host: Annotated[
        str, typer.Option("--host", help="Address that is listened on; another needs --token.")
    ] = "127.0.0.1",
    token: Annotated[
        str, typer.Option("--token", help="Secret in the page's address; left out, a new one.")
    ] = "",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, open no browser.")
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Show an object by clicking, see it found, put it right, take it away: in the browser.

    The page is served on this machine alone. All that is done lies in the folder of --out, so that
    the page may be closed at any time, and `persam segment` goes on there.
    """
    serve, options_of, address_of = _server()
    options = options_of(
        run=_run(folder, out),
        folder=folder,
        concepts=tuple(ConceptArgs.of(concept).named.items()) if concept else (),
        model=model,
        place=(("device", device), ("precision", precision), ("engine", engine)),
    )

    def ready(url: str) -> None:
        say(f"The page: {url}")
        say(f"Everything is kept in {options.run}. Ctrl-C ends it.")
        if not no_browser:
            webbrowser.open(url)

    try:
        serve(options, address_of(host=host, port=port, token=token), ready)
    except KeyboardInterrupt:
        say(f"Ended. The same command goes on where you were; all is in {options.run}.")


def _run(folder: Path | None, out: Path | None) -> Path:
    if out is not None:
        return out
    if folder is None:
        return Path("persam-app")
    place = real_path(folder)
    return place.with_name(f"{place.name}-persam")


def _server() -> tuple[Callable[..., None], type, type]:
    """The parts of the page, which need an extra.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        from persam.app.server import Address, serve
        from persam.app.session import AppOptions
    except ImportError as error:
        raise MissingExtra(
            f"The page needs {error.name or 'an extra'}: pip install 'persam[app]'"
        ) from error
    return serve, AppOptions, Address
