"""What an evaluation found, and its JSON: every number with the settings and machine behind it."""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from persam.io.writers import write_single
from persam.models.runtime.cpu import cpu_class, thread_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def environment() -> dict[str, Any]:
    """Versions and hardware that a measurement depends on.

    Example:
        >>> sorted(environment())[:3]
        ['cores', 'cpu', 'cpu_class']
    """
    facts: dict[str, Any] = {"python": platform.python_version(), "system": platform.platform()}
    for name in ("torch", "transformers", "onnxruntime", "openvino", "numpy", "pillow"):
        with suppress(PackageNotFoundError):
            facts[name] = version(name)
    torch = sys.modules.get("torch")  # of no concern to a model that runs without it
    threads = thread_count() if torch is None else torch.get_num_threads()
    facts |= {"cpu": _cpu(), "cpu_class": cpu_class(), "cores": str(os.cpu_count())}
    facts["threads"] = str(threads)
    gpu = torch is not None and torch.cuda.is_available()
    return facts | ({"gpu": torch.cuda.get_device_name()} if torch and gpu else {})


def _cpu() -> str:
    """The processor's name; Linux alone keeps it in a file, elsewhere the platform says it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory() -> int | None:
    """The most memory that this process has held so far, in bytes; None where nothing says it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class AsJson:
    """A report that becomes a JSON file; its fields are what JSON can hold."""

    def to_json(self) -> str:
        """The report as indented JSON."""
        fields: Any = asdict(cast("Any", self))
        return json.dumps(fields, indent=2, allow_nan=False) + "\n"

    def write(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        write_single(path, self.to_json())


@dataclass(frozen=True)
class ObjectReport:
    """One group of target photos whose pixels are pooled; every share is 0..1.

    The group is PerSeg's object, and the class of the data sets that are made of episodes.

    Attributes:
        iou: of pixels pooled over the photos: I / (U + 1e-10) for PerSeg, else I / max(U, 1).
        acc: share of the object's pixels that were found, pooled.
        biou: Boundary IoU, mean over the photos.
        biou_pooled: Boundary IoU of band pixels pooled over the photos.
        point_hit: share of photos whose first point on the object truly is on it; None where the
            method prompts with no points, or did not record them.
        photos: IoU of every photo: by stem, or by ``<episode>/<stem>`` in a group of episodes.
        weights: PerSAM-F's three weights of the one object; None for other methods and groups.
        seconds: learning and finding, reading and scoring left out; None if not recorded.
        learn_seconds: the learning alone.
        parameters: how many numbers were trained for an object; None if not recorded.
        fold: which fold the group belongs to; empty where there is one.

    Example:
        >>> report = ObjectReport(0.9, 0.95, 0.7, 0.7, None, {"01": 0.9}, None, 0.4)
        >>> (report.iou, report.fold)
        (0.9, '')
    """

    iou: float
    acc: float
    biou: float
    biou_pooled: float
    point_hit: float | None
    photos: Mapping[str, float]
    weights: tuple[float, ...] | None
    seconds: float | None
    learn_seconds: float | None = None
    parameters: int | None = None
    fold: str = ""


@dataclass(frozen=True)
class Report(AsJson):
    """What an evaluation found: means over the groups, and all that led to them.

    Attributes:
        miou, macc, biou, biou_pooled, point_hit: means over the groups of a fold, then over folds.
        photos: number of target photos that were scored.
        seconds: sum over the groups; None if not recorded.
        objects: by name, after the fold's name and a slash where there are folds.
        settings: data, method, variant, model, device, and what else was chosen.
        learn_seconds: the learning alone.
        parameters: how many numbers were trained for an object.
        fb_iou: foreground-background IoU, pooled over a fold, then the mean over folds; None for
            PerSeg, which has none.
        folds: mean IoU of every fold by name; empty where there is one.
        missing: predictions that should be there and are not, ``<subject>/<stem>``; not scored.
        failed: subjects that the method could not learn, with its reason; their masks are empty
            and count.
        version: of persam.
        environment: versions of Python and libraries, the hardware and the device; a list of these
            where the run was started on several, and empty for masks of another program.

    Example:
        >>> report = Report(0.9, 0.9, 0.7, 0.7, None, 3, None, {}, {"dataset": "perseg"})
        >>> json.loads(report.to_json())["miou"]
        0.9
    """

    miou: float
    macc: float
    biou: float
    biou_pooled: float
    point_hit: float | None
    photos: int
    seconds: float | None
    objects: Mapping[str, ObjectReport]
    settings: Mapping[str, Any]
    learn_seconds: float | None = None
    parameters: int | None = None
    fb_iou: float | None = None
    folds: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    version: str = field(default_factory=lambda: version("persam"))
    environment: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(
        default_factory=environment
    )
