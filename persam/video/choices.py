"""The choices that tell one way of tracking from another, and the named ways."""

from __future__ import annotations

from dataclasses import dataclass

from persam.errors import InputError


@dataclass(frozen=True)
class Tracking:
    """One way of following objects through a clip.

    Attributes:
        last_box: ask for an object by the box of its last mask first. Off, every frame is searched
            as if it were the only one.
        centre_point: with that box, say that its centre is on the object.
        min_likeness: what a search finds is the object from this likeness on, 0..1. None takes the
            concept's own recipe's, which is 0 for models without a measured one.
        kept: what is found is the object from this share of its usual likeness on, 0..1. Every
            model and object has a level of its own, so a share says more than a number. Of frames
            sampled from five DAVIS clips none that showed the object fell below one half, and of
            those with the object pasted over, or of another clip, five in six did.
        region: side of the part of a frame that is encoded for an object, as a multiple of its
            size; 0 encodes the whole frame, once for all objects.
        as_scripts: ask as the official video scripts do; see :mod:`persam.video.official`. The
            concepts' own recipes give way to the scripts'.
        areas_as_uint8: the scripts' fault in choosing the largest mask (PerSAM, ``as_scripts``).
        boxes_by_position: the scripts' fault in numbering the boxes of the last frame
            (``as_scripts``): when an object vanishes, the next one's box becomes its own.

    Example:
        >>> Tracking.named("official").as_scripts
        True
    """

    last_box: bool = True
    centre_point: bool = True
    min_likeness: float | None = None
    kept: float = 0.5
    region: float = 2.0
    as_scripts: bool = False
    areas_as_uint8: bool = False
    boxes_by_position: bool = False

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"A tracking's {name} is True or False; got {getattr(self, name)!r}."
                )
        for name in ("min_likeness", "kept"):
            _check_share(name, getattr(self, name))
        number = isinstance(self.region, int | float) and not isinstance(self.region, bool)
        if not number or not (self.region == 0 or 1 <= self.region < float("inf")):
            raise InputError(
                f"A tracking's region is 0, or a multiple of the object's size from 1 on; got "
                f"{self.region!r}."
            )
        if (self.areas_as_uint8 or self.boxes_by_position) and not self.as_scripts:
            raise InputError(
                "areas_as_uint8 and boxes_by_position are faults of the official scripts: they "
                "need as_scripts=True."
            )

    @classmethod
    def named(cls, name: str) -> Tracking:
        """The way of that name.

        Args:
            name: ``"default"``, our own; ``"official"``, the official scripts' without their two
                faults.

        Raises:
            InputError: there is no such way.
        """
        if name not in _WAYS:
            raise InputError(
                f"The ways to track are {', '.join(_WAYS)} and, with SAM 2's own memory, "
                f"memory and distractors; got {name!r}."
            )
        return _WAYS[name]


def _check_share(name: str, value: float | None) -> None:
    if name == "min_likeness" and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"A tracking's {name} is a number from 0 to 1; got {value!r}.")


_SWITCHES = ("last_box", "centre_point", "as_scripts", "areas_as_uint8", "boxes_by_position")
_WAYS = {"default": Tracking(), "official": Tracking(as_scripts=True)}
