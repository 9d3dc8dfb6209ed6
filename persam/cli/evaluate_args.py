"""Which method on which model: what the options of `persam evaluate` add up to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.cli.model_args import resolve_variant
from persam.errors import InputError
from persam.evaluation.method_names import SEGGPT, WITH_VARIANT, resolve_method
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import typer

_RECIPE = ("variant", "without", "alpha")
_OURS = ("match_with", "precision", "engine")


@dataclasses.dataclass(frozen=True)
class ResolvedMethod:
    """What the options of a command line add up to.

    Attributes:
        learner: the method.
        backbone: the model; SegGPT's own stands in its place.
        settings: what of it a report has to say besides the model's name and device.
    """

    learner: Any
    backbone: Any
    settings: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class MethodArgs:
    """What a command line asks for: which method, on which model.

    Attributes:
        method: as ``--method`` takes it.
        model: as ``--model`` takes it.
        recipe: ``variant``, ``without`` and ``alpha``, as their options take them.
        place: ``match_with``, ``device``, ``precision`` and ``engine`` likewise.
        typed: names of the options that were given.
    """

    method: str
    model: str
    recipe: dict[str, Any]
    place: dict[str, Any]
    typed: Collection[str]


@dataclasses.dataclass(frozen=True)
class FolderArgs:
    """Which folders a command line names.

    Attributes:
        out: for the predictions of a run.
        score_only: predictions to score without any run.
        save_masks: for the masks alone.
    """

    out: Path | None = None
    score_only: Path | None = None
    save_masks: Path | None = None


def choose(asked: MethodArgs) -> ResolvedMethod:
    """Load the model and bind the recipe to the method.

    Raises:
        InputError: no such method or model, or an option that nothing would read.
    """
    method, recipe, place, typed = asked.method, asked.recipe, asked.place, asked.typed
    if method == SEGGPT:
        from persam.evaluation.baselines.seggpt import CHECKPOINT, load_seggpt

        unread = [option for option in (*_RECIPE, *_OURS) if option in typed]
        refuse(unread, "SegGPT is a model of its own")
        seggpt = load_seggpt(
            asked.model if "model" in typed else CHECKPOINT, device=place["device"]
        )
        return ResolvedMethod(seggpt, seggpt, {"method": method})
    learner: Any = resolve_method(method)  # only some take a variant
    if method not in WITH_VARIANT:
        refuse([option for option in _RECIPE if option in typed], f"{method} has its own recipe")
    from persam.models.loading import load

    backbone = load(asked.model, **place)
    settings: dict[str, Any] = {"method": method, "precision": backbone.precision}
    settings["engine"] = backbone.engine
    if method not in WITH_VARIANT:
        file = Path(method.rpartition(":")[0]).expanduser()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return ResolvedMethod(learner, backbone, settings | {"method_sha256": digest})
    family = "persam" if method == "persam" else "persam-f"  # whose recipe the baselines share
    bound = resolve_variant(
        recipe["variant"], family, recipe["without"], recipe["alpha"], backbone.recipe
    )
    settings["variant"] = dataclasses.asdict(bound)
    return ResolvedMethod(partial(learner, variant=bound), backbone, settings)


def refuse(options: Sequence[str], why: str) -> None:
    """Refuse options that would do nothing.

    Raises:
        InputError: there are any; names them and says why.
    """
    if options:
        named = " and ".join(f"--{option.strip('_').replace('_', '-')}" for option in options)
        raise InputError(f"{named} would do nothing: {why}. Leave it out.")


def typed_options(context: typer.Context) -> list[str]:
    """Names of the parameters that were given on the command line, in their order."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def refuse_other_report(path: Path | None) -> None:
    """Refuse to replace a file that is no report, before anything is measured.

    Raises:
        InputError: there is such a file.
    """
    if path is None or not path.exists():
        return
    refuse_special(path)
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        content = None
    if not (isinstance(content, dict) and {"version", "environment"} <= content.keys()):
        raise InputError(f"--json {path} would be replaced, and is no report. Choose another name.")
