"""What an evaluation on sequences found; every share is 0..1."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from persam.evaluation.reports import AsJson, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.evaluation.sequences import Statistics


@dataclass(frozen=True)
class TrackReport:
    """One object of one sequence.

    Attributes:
        j: region similarity over the scored frames.
        f: contour accuracy over them.
        frames: J and F of every scored frame, by its name.
        weights: PerSAM-F's three weights; None for other methods.
        learn_seconds: what learning the object took; None if not recorded.
        parameters: how many numbers were trained for it; None if not recorded.
    """

    j: Statistics
    f: Statistics
    frames: Mapping[str, tuple[float, float]]
    weights: tuple[float, ...] | None = None
    learn_seconds: float | None = None
    parameters: int | None = None

    @property
    def jf(self) -> float:
        """J&F: the mean of the two means."""
        return (self.j.mean + self.f.mean) / 2


@dataclass(frozen=True)
class SequenceReport:
    """One sequence.

    Attributes:
        jf: mean of J&F over its objects.
        j, f: means of J and F over its objects.
        objects: how many.
        frames: how many were followed, the first and the last included.
        seconds: following them, reading and scoring left out; None if not recorded.
    """

    jf: float
    j: float
    f: float
    objects: int
    frames: int
    seconds: float | None


@dataclass(frozen=True)
class VideoReport(AsJson):
    """What an evaluation found: means over the objects of all sequences, and all that led to them.

    Attributes:
        jf: J&F, the mean of the mean J and the mean F.
        j, f: mean, recall and decay, each a mean over the objects.
        frames: number of frames that were scored: the first and the last of a sequence are not.
        seconds: learning and following, reading and scoring left out; None if not recorded.
        sequences: by name.
        objects: by ``<sequence>/<number>``.
        settings: data, method, tracker, model, device, and what else was chosen.
        learn_seconds: the learning alone.
        frames_per_second: of the following alone, all objects at once; None if not recorded.
        peak_memory: the most that the process held while it followed, in bytes; None likewise.
        parameters: how many numbers were trained for an object.
        missing: predictions that should be there and are not, ``<sequence>/<frame>``; not scored.
        failed: objects that the method could not learn, with its reason; their masks are empty
            and count.
        not_shown: objects that a later frame's truth holds and the first frame's does not; the
            protocol passes over them.
        version: of persam.
        environment: versions of Python and libraries, and the hardware.
    """

    jf: float
    j: Statistics
    f: Statistics
    frames: int
    seconds: float | None
    sequences: Mapping[str, SequenceReport]
    objects: Mapping[str, TrackReport]
    settings: Mapping[str, Any]
    learn_seconds: float | None = None
    frames_per_second: float | None = None
    peak_memory: int | None = None
    parameters: int | None = None
    missing: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    not_shown: tuple[str, ...] = ()
    version: str = field(default_factory=lambda: version("persam"))
    environment: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(
        default_factory=environment
    )
