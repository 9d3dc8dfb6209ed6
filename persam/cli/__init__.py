"""The commands. This file only gathers them; nothing heavy is imported before one runs."""

from __future__ import annotations

import os
import signal
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from persam import __version__
from persam.cli.ablate import ablate
from persam.cli.app import app as page
from persam.cli.cluster import cluster
from persam.cli.console import any_encoding, complain, say, show_warnings
from persam.cli.convert import convert
from persam.cli.correct import correct
from persam.cli.datasets import datasets
from persam.cli.demo import demo
from persam.cli.doctor import doctor
from persam.cli.dreambooth import dreambooth
from persam.cli.evaluate import evaluate
from persam.cli.explain import explain
from persam.cli.export import export
from persam.cli.find import find
from persam.cli.index import index
from persam.cli.label_studio import label_studio
from persam.cli.learn import learn
from persam.cli.merge import merge
from persam.cli.models import models
from persam.cli.report import report
from persam.cli.review import review
from persam.cli.segment import segment
from persam.cli.stability import stability
from persam.cli.track import track
from persam.cli.train import train
from persam.cli.unknown_option import UsageError, say_what_is_meant
from persam.errors import PersamError

# What comes with persam[torch] alone; a command that needs it says so instead of a traceback.
_OF_TORCH = ("torch", "transformers", "huggingface_hub")


class Commands(TyperGroup):
    """Turns the errors that persam raises on purpose into one red line and an exit code.

    A command of two words, as ``evaluate stability``, goes before one of the first word alone.
    """

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; whatever is printed can be shown, and warnings are lines like others."""
        any_encoding()
        show_warnings()
        return super().main(*args, **options)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first words name."""
        name = " ".join(args[:2])
        if name in self.commands and len(args) > 1:
            return name, self.commands[name], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; exit code 2 for input that cannot be used, 130 for an interrupt."""
        try:
            return super().invoke(ctx)
        except PersamError as error:
            complain(f"Error: {error}")
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _OF_TORCH:
                raise
            complain(f"Error: This needs {error.name}: pip install 'persam[torch]'")
            raise typer.Exit(2) from None
        except UsageError as error:
            say_what_is_meant(error, ctx.invoked_subcommand)
            raise
        except KeyboardInterrupt:
            complain(
                "Interrupted. What lies in the output folder is kept: the same command with the "
                "same folder goes on from there."
            )
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Show one object once, get its mask in every other picture.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"persam {__version__}")
        raise typer.Exit


@app.callback()
def _persam(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    # Before torch is imported: its idle threads turn for milliseconds, on the very cores that
    # another engine's threads wait for. This is a sixtieth of what libgomp takes by itself.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


app.command("app")(page)
app.command()(segment)
app.command()(merge)
app.command()(track)
app.command()(learn)
app.command()(find)
app.command()(index)
app.command()(explain)
app.command()(doctor)
app.command()(review)
app.command("label-studio")(label_studio)
app.command()(correct)
app.command()(convert)
app.command()(models)
app.command()(export)
app.command()(demo)
app.command()(evaluate)
app.command("evaluate stability")(stability)
app.command()(ablate)
app.command()(report)
app.add_typer(cluster, name="cluster")
app.add_typer(datasets, name="datasets")
app.add_typer(train, name="train")
app.add_typer(dreambooth, name="dreambooth")


def main() -> None:
    """Entry point of the `persam` command."""
    # A polite kill is an interrupt: temporary files are cleared away, the manifest is whole.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
