"""One row of a table: what a report says, or what was published, by the titles of the columns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from persam.evaluation.datasets.protocol import departures
from persam.evaluation.published import published, published_video
from persam.variants import Method, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Cells = Mapping[str, str]
_AS_PUBLISHED = "as published"
MARK = "†"  # behind the data of a row that is not comparable


@dataclass(frozen=True)
class ReportKind:
    """One kind of report.

    Attributes:
        needed: fields that a report of it has.
        titles: columns of its table, in their order.
        rank: the column that rows are ordered by, the largest first.
        dataset: whose table a report belongs to.
        cells: of a report, given with its file's name; they say ``source`` last.
        published: the published rows of such a table.
    """

    needed: tuple[str, ...]
    titles: tuple[str, ...]
    rank: str
    dataset: Callable[[Mapping[str, Any]], str]
    cells: Callable[[Mapping[str, Any]], Cells]
    published: Callable[[str], Sequence[Cells]]


def recipe_name(variant: Mapping[str, Any]) -> str:
    """The name of a stored recipe, or ``"own"`` for one without a name.

    Example:
        >>> import dataclasses
        >>> recipe_name(dataclasses.asdict(Variant.named("official", "persam-f")))
        'official'
    """
    # Reports of other versions: a choice that is gone counts where it was switched on, one that
    # came later was not made then.
    names = {field.name for field in dataclasses.fields(Variant)}
    if any(value for key, value in variant.items() if key not in names):
        return "own"
    for name in ("official", "default", "pocket"):
        for method in get_args(Method):
            recipe = dataclasses.asdict(Variant.named(name, method))
            if all(recipe[key] == value for key, value in variant.items() if key in names):
                return name
    return "own"


def percent(share: float | None) -> str:
    """A share as percent with one digit; empty for None.

    Example:
        >>> percent(0.4567), percent(None)
        ('45.7', '')
    """
    return "" if share is None else f"{100 * share:.1f}"


def _pictures(report: Mapping[str, Any]) -> Cells:
    settings = report["settings"]
    return {
        "method": _method(settings),
        "model": str(settings.get("model", "")),
        "data": _data(report),
        "mIoU": percent(report["miou"]),
        "boundary IoU": percent(report["biou"]),
        "FB-IoU": percent(report.get("fb_iou")),
        "parameters": "" if report.get("parameters") is None else f"{report['parameters']:,}",
        "source": _source(report, "photos"),
    }


def _data(report: Mapping[str, Any]) -> str:
    """What a row was measured on, with what sets it apart from the protocol."""
    settings, failed = report["settings"], len(report.get("failed", ()))
    groups = len(report["objects"]) if "objects" in report else None
    departs = departures(str(settings["dataset"]), settings, groups)
    data = [Path(str(settings["data"])).name, f"{report['photos']} photos", *departs]
    data += [f"{failed} not learnt"] if failed else []
    return ", ".join(data) + (f" {MARK}" if departs or report.get("missing") else "")


_SEQUENCES = {2016: 20, 2017: 30}  # of DAVIS's validation sets


def _video(report: Mapping[str, Any]) -> Cells:
    settings, j, f = (report[name] for name in ("settings", "j", "f"))
    speed = report.get("frames_per_second")
    sequences, year = len(report["sequences"]), settings.get("year")
    whole = _SEQUENCES.get(int(year)) if year is not None else None
    departs = whole is not None and sequences != whole
    data = f"{sequences} of {whole} sequences" if departs else f"{sequences} sequences"
    mark = f" {MARK}" if departs or report.get("missing") else ""
    return {
        "method": _method(settings),
        "tracking": str(settings.get("tracking", "")),
        "model": str(settings.get("model", "")),
        "data": f"{Path(str(settings['data'])).name}, {data}{mark}",
        "J&F": percent(report["jf"]),
        "J": percent(j["mean"]),
        "J recall": percent(j["recall"]),
        "J decay": percent(j["decay"]),
        "F": percent(f["mean"]),
        "F recall": percent(f["recall"]),
        "F decay": percent(f["decay"]),
        "frames/s": "" if speed is None else f"{speed:.1f}",
        "source": _source(report, "frames"),
    }


def _method(settings: Mapping[str, Any]) -> str:
    method, variant = str(settings.get("method", "masks from elsewhere")), settings.get("variant")
    if settings.get("tracking") == "official":  # the video scripts' recipe, whatever was learnt
        return f"{method}, official"
    return method if variant is None else f"{method}, {recipe_name(variant)}"


def _source(report: Mapping[str, Any], what: str) -> str:
    missing = len(report.get("missing", ()))
    made = f"persam {report['version']}"
    return f"{made}, {missing} {what} missing" if missing else made


def _published_pictures(dataset: str) -> list[Cells]:
    return [
        {
            "method": row.method,
            "model": row.model,
            "data": _AS_PUBLISHED,
            "mIoU": f"{row.miou:.1f}",
            "boundary IoU": "" if row.biou is None else f"{row.biou:.1f}",
            "parameters": row.parameters,
            "source": row.origin,
        }
        for row in published(dataset)
    ]


def _published_videos(dataset: str) -> list[Cells]:
    return [
        {
            "method": row.method,
            "model": row.model,
            "data": _AS_PUBLISHED,
            "J&F": f"{row.jf:.1f}",
            "J": "" if row.j is None else f"{row.j:.1f}",
            "F": "" if row.f is None else f"{row.f:.1f}",
            "source": f"{row.origin}; {row.remark}" if row.remark else row.origin,
        }
        for row in published_video(dataset)
    ]


_MEASURES = ("J&F", "J", "J recall", "J decay", "F", "F recall", "F decay")
VIDEO = ReportKind(
    needed=("jf", "j", "f", "sequences", "settings", "version"),
    titles=("method", "tracking", "model", "data", *_MEASURES, "frames/s", "source"),
    rank="J&F",
    dataset=lambda report: f"{report['settings']['dataset']}-{report['settings']['year']}",
    cells=_video,
    published=_published_videos,
)
PICTURES = ReportKind(
    needed=("miou", "biou", "photos", "settings", "version"),
    titles=("method", "model", "data", "mIoU", "boundary IoU", "FB-IoU", "parameters", "source"),
    rank="mIoU",
    dataset=lambda report: str(report["settings"]["dataset"]),
    cells=_pictures,
    published=_published_pictures,
)


def kind_of(report: Any) -> ReportKind:
    """The kind of a report that was read from JSON; pictures' unless it says J&F."""
    return VIDEO if isinstance(report, dict) and "jf" in report else PICTURES
