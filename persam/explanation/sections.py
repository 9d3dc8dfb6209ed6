"""The trace of one search as sections: what each stage did, in a sentence and in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.explanation import panels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from persam.concept import Concept
    from persam.prediction import Prediction
    from persam.structures import Box, Frame

    Trace = Mapping[str, np.ndarray]
    Points = list[tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a section.

    Attributes:
        caption: what it shows.
        pixels: ``(h, w, 3)`` uint8 RGB.
        chosen: whether this one of several went on to the next stage.

    Example:
        >>> Panel("the mask", np.zeros((4, 6, 3), np.uint8), chosen=True).caption
        'the mask'
    """

    caption: str
    pixels: np.ndarray
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Section:
    """One stage.

    Attributes:
        title: its name in the paper's words.
        text: what it did, with the numbers of this picture.
        panels: its pictures.

    Example:
        >>> Section("Presence", "The object is there.").panels
        ()
    """

    title: str
    text: str
    panels: tuple[Panel, ...] = ()


@dataclass(frozen=True, eq=False)
class Search:
    """One search with its trace: what the sections are made of.

    Attributes:
        concept: what was looked for.
        image: ``(H, W, 3)`` uint8 RGB, where.
        frame: how it lies in the model's square.
        found: the answer, with its trace.
        reference: ``(H, W, 3)`` uint8 RGB, what the concept was learnt from; None where it is not
            at hand, as with a concept out of a file.
    """

    concept: Concept
    image: np.ndarray
    frame: Frame
    found: Prediction
    reference: np.ndarray | None = None

    @property
    def points(self) -> Points:
        """The point prompts as ``(x, y, label)``."""
        pairs = zip(self.found.points.tolist(), self.found.labels.tolist(), strict=True)
        return [(int(x), int(y), int(label)) for (x, y), label in pairs]

    def upright(self, values: np.ndarray) -> np.ndarray:
        """Bring an ``(h, w)`` map over the model's square to ``(H, W)`` original pixels."""
        return geometry.to_original(values[None], self.frame)[0]


def sections(search: Search) -> list[Section]:
    """All sections, in the order of the pipeline; the answer first."""
    trace = search.found.trace
    found = [answer(search), *reference(search), confidence(search)]
    if "prior_mask" in trace:
        found.append(prior_mask(search))
    if "attention_similarity" in trace:
        found.append(guide(search))
    found += [step(search, number) for number in (1, 2, 3) if f"step{number}_logits" in trace]
    if "second_look_box_xyxy" in trace:
        found.append(second_look(search))
    return found


def answer(search: Search) -> Section:
    """The final mask, and whether the object is there."""
    found = search.found
    if found.presence is None:
        there = "No calibration says how probable it is that the object is in this picture."
    else:
        limit = search.concept.variant.min_presence
        there = f"Presence {found.presence:.2f} (called absent below {limit:.2f})"
        there += "" if found.likeness is None else f", from a likeness of {found.likeness:.3f}"
        there += "."
    if search.concept.is_absent(found.presence):
        text = f"{there} The object is called absent, so the decoder was not asked."
    elif not found.present:
        text = f"{there} The decoder's mask is empty."
    else:
        share = found.mask.mean()
        text = f"{there} The mask covers {share:.1%} of the picture; its estimated IoU is "
        text += f"{found.score:.2f}."
    overlay = panels.mask_over(search.image, found.mask, search.points)
    plain = panels.small(search.image)
    return Section("Answer", text, (Panel("the photo", plain), Panel("the final mask", overlay)))


def reference(search: Search) -> Iterator[Section]:
    """What the object was learnt from."""
    concept, trace = search.concept, search.found.trace
    count = len(concept.features.foreground)
    text = f"Learnt from {len(concept.references)} reference{'s' * (len(concept.references) > 1)}"
    text += f"; {count} foreground features are kept for the contrast." if count else "."
    if search.reference is None or "ref_mask" not in trace:
        yield Section("Reference", f"{text} A concept's file keeps no picture of it.")
        return
    mask = np.asarray(trace["ref_mask"]) > 0
    shown = [Panel("the object in the reference", panels.mask_over(search.reference, mask))]
    if "ref_foreground" in trace:
        frame = concept.backbone.frame(*search.reference.shape[:2])
        rows, columns = frame.picture_cells(trace["ref_foreground"].shape)
        cells = np.asarray(trace["ref_foreground"])[:rows, :columns] > 0
        caption = f"{np.count_nonzero(cells)} cells whose features are the object's"
        shown.append(Panel(caption, panels.cells_over(search.reference, cells)))
    if "ref_similarity" in trace:
        frame = concept.backbone.frame(*search.reference.shape[:2])
        prior = geometry.to_original(trace["ref_similarity"][None], frame)[0]
        over = panels.heat_over(search.reference, prior)
        shown.append(Panel("confidence map of the reference itself", over))
    yield Section("Reference", text, tuple(shown))


def confidence(search: Search) -> Section:
    """Location confidence map and the points that follow from it."""
    values = np.asarray(search.found.trace["similarity"])
    rows, columns = search.frame.picture_cells(values.shape)
    picture = values[:rows, :columns]
    prior = search.upright(values)
    variant = search.concept.variant
    parts = ["cosine to the target feature"]
    parts += [f"{variant.contrast:g} x contrast with the background"] * (variant.contrast > 0)
    parts += [f"smoothed ({variant.smoothing:g})"] * (variant.smoothing > 0)
    on = sum(label for *_, label in search.points)
    off = len(search.points) - on
    text = f"{', '.join(parts).capitalize()}: {picture.min():.2f} to {picture.max():.2f}. "
    text += f"Prompts: {on} point{'s' * (on != 1)} on the object"
    text += f", {off} off it." if off else "."
    nothing = np.zeros(search.image.shape[:2], dtype=bool)
    points = panels.mask_over(search.image, nothing, search.points)
    shown = (
        Panel("confidence map", panels.heat_over(search.image, prior)),
        Panel("points: green on the object, red off it", points),
    )
    return Section("Location confidence map", text, shown)


def prior_mask(search: Search) -> Section:
    """The location prior as the decoder's mask input."""
    logits = search.upright(search.found.trace["prior_mask"])
    text = "The confidence map, standardised, is the decoder's mask prompt: logits from "
    text += f"{logits.min():.1f} to {logits.max():.1f}, above 0 where the object may be."
    shown = (
        Panel("mask prompt", panels.heat_over(search.image, logits)),
        Panel("where it is above 0", panels.mask_over(search.image, logits > 0)),
    )
    return Section("Location prior as mask prompt", text, shown)


def guide(search: Search) -> Section:
    """What is added to the token-to-image attention."""
    variant = search.concept.variant
    values = np.asarray(search.found.trace["attention_similarity"], dtype=np.float32)
    if variant.guide_frame == "official":
        size = (search.frame.height, search.frame.width)
        over = geometry.bilinear(values[None], size)[0]
    else:
        over = search.upright(values)
    text = f"Added to the token-to-image attention after its softmax, times {variant.alpha:g}: "
    text += f"{values.min():.2f} to {values.max():.2f}."
    if variant.semantic_prompt:
        text += " The target embedding is added to every decoder token."
    return Section(
        "Target-guided attention", text, (Panel("guide", panels.heat_over(search.image, over)),)
    )


def step(search: Search, number: int) -> Section:
    """One decoder call: every mask with its score, and the one that went on."""
    trace, name = search.found.trace, f"step{number}"
    box = _box(trace.get(f"{name}_box_xyxy"))
    final = int(trace["final_step"]) == number
    scores = np.asarray(trace[f"{name}_iou"]).tolist()
    weighted = trace.get(f"{name}_weighted_logits")
    best = int(trace["final_index"]) if final else int(np.argmax(scores))
    weights = np.asarray(trace["weights"]).tolist() if weighted is not None else None
    shown = []
    for index, logits in enumerate(np.asarray(trace[f"{name}_logits"])):
        caption = f"estimated IoU {scores[index]:.2f}"
        caption += "" if weights is None else f", weight {weights[index]:.2f}"
        mask = search.upright(logits) > 0
        over = panels.mask_over(search.image, mask, search.points, box)
        shown.append(Panel(caption, over, chosen=weights is None and index == best))
    if weighted is not None:
        fused = search.upright(weighted) > 0
        over = panels.mask_over(search.image, fused, search.points, box)
        shown.append(Panel("weighted sum", over, chosen=True))
    asked = [f"{len(search.points)} points"]
    asked += ["the box of the mask before"] if box else []
    mask_prompt = number > 1 or "prior_mask" in trace
    asked += ["the logits before" if number > 1 else "the mask prompt"] if mask_prompt else []
    text = f"The decoder was asked with {', '.join(asked)}."
    if final:
        again = "second_look_box_xyxy" in trace
        text += f" This step's mask {'goes on to the second look' if again else 'is the answer'}."
    title = "First mask" if number == 1 else f"Cascaded refinement {number - 1}"
    return Section(title, text, tuple(shown))


def second_look(search: Search) -> Section:
    """The crop round a small object, in which the decoder was asked once more."""
    found = search.found
    x0, y0, x1, y1 = _box(found.trace["second_look_box_xyxy"]) or (0, 0, 1, 1)
    crop, mask = search.image[y0:y1, x0:x1], found.mask[y0:y1, x0:x1]
    times = np.sqrt(found.mask.size / mask.size)
    text = "The object's box covers less than "
    text += f"{search.concept.variant.second_look:.0%} of the picture, so that the decoder was "
    text += f"asked again in a crop round it, {times:.1f} times as large. Its mask is the answer."
    nothing = np.zeros_like(found.mask)
    shown = (
        Panel("the crop", panels.mask_over(search.image, nothing, box=(x0, y0, x1, y1))),
        Panel("the mask in it", panels.mask_over(np.ascontiguousarray(crop), mask), chosen=True),
    )
    return Section("Second look", text, shown)


def _box(inclusive: np.ndarray | None) -> Box | None:
    if inclusive is None:
        return None
    x0, y0, x1, y1 = np.asarray(inclusive).tolist()
    return x0, y0, x1 + 1, y1 + 1
