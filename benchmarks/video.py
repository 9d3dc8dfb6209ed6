"""Measure ways to follow an object through the clips of a DAVIS 2016 folder, and what each adds.

    python benchmarks/video.py DATA [--model pocket] [--json benchmarks/video.json] [--only WORDS]

DATA has DAVIS's layout: JPEGImages/480p, Annotations/480p, ImageSets/2016/val.txt. The object is
learnt from the first frame, whose mask is given. Prints a Markdown table of J, F and J&F, the mean
over the sequences, first and last frames left out as DAVIS does. Rows under "besides" change one
thing of "last box and centre, never absent" and are no part of the package. Frames are encoded once
and shared by all rows, which is why no speed is measured here: see video_memory.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer

import persam
from persam.concept import Concept
from persam.evaluation.benchmark import environment
from persam.evaluation.sequences import contour_accuracy, region_similarity
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.models.base import Backbone
from persam.pipeline import decoder
from persam.pipeline.prompts import mask_box
from persam.structures import Box, Embedding, Prompts
from persam.video import official, propagation
from persam.video.choices import Tracking
from persam.video.overlaps import ObjectLogits
from persam.video.propagation import TrackState

SEARCH = Tracking(last_box=False)
NEVER = Tracking(min_likeness=0.0, kept=0.0)
BOX = replace(NEVER, centre_point=False)
Fractions = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Clip:
    """One sequence, its frames encoded, its truth, and what was learnt from its first frame."""

    name: str
    embeddings: list[Embedding]
    truths: list[np.ndarray]
    concepts: dict[str, Concept]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a row may look at in one frame, and what the last frame's answer was."""

    concept: Concept
    embedding: Embedding
    state: TrackState
    logits: np.ndarray
    past: Embedding

    @property
    def box(self) -> Box:
        """Of the last mask; the first frame's is given, so there always is one."""
        return self.state.box or (0, 0, 0, 0)


Way = Callable[[Seen], ObjectLogits]


def alone(seen: Seen) -> ObjectLogits:
    return ObjectLogits.from_mask(seen.concept.segment_embedding(seen.embedding).mask)


def as_scripts(seen: Seen, **faults: bool) -> ObjectLogits:
    concept = official.as_scripts(seen.concept)
    step = official.step(concept, seen.embedding, seen.box, **faults)
    return ObjectLogits.from_step(step, seen.embedding)


def ours(seen: Seen, choices: Tracking) -> ObjectLogits:
    return propagation.find(seen.concept, seen.embedding, seen.state, choices)


def _there(seen: Seen, change: Callable[[Seen, Prompts], Prompts]) -> ObjectLogits:
    """The question of "last box and centre", changed in one thing."""
    found = seen.concept.locate(seen.embedding).prompts
    x0, y0, x1, y1 = seen.box
    points = np.concatenate([found.points, [[(x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2]]])
    prompts = Prompts(points, np.append(found.labels, 1), seen.box, found.mask)
    step = decoder.first_step(seen.concept.backbone, seen.embedding, change(seen, prompts))
    return ObjectLogits.from_step(step, seen.embedding)


def grown(seen: Seen, asked: Prompts, *, share: float) -> Prompts:
    x0, y0, x1, y1 = asked.box or (0, 0, 0, 0)
    margin = round(share * (max(x1 - x0, y1 - y0) - 1))
    frame = seen.embedding.frame
    x1, y1 = min(frame.width, x1 + margin), min(frame.height, y1 + margin)
    box = (max(0, x0 - margin), max(0, y0 - margin), x1, y1)
    return replace(asked, box=box, mask=None)


def prior_mask(_: Seen, asked: Prompts) -> Prompts:
    return asked


def last_logits(seen: Seen, asked: Prompts) -> Prompts:
    return replace(asked, mask=_shrunk(seen))


def mixed(seen: Seen, asked: Prompts, *, box: bool) -> Prompts:
    """Prior mask and last logits, half of each."""
    last, prior = _shrunk(seen), asked.mask
    mask = last if prior is None else (last.clip(-6, 6) + prior) / 2
    return replace(asked, mask=mask, box=asked.box if box else None)


def no_negative(_: Seen, asked: Prompts) -> Prompts:
    on = asked.labels == 1
    return replace(asked, points=asked.points[on], labels=asked.labels[on], mask=None)


def _shrunk(seen: Seen) -> np.ndarray:
    """The last answer's logits over the model's square, as a mask prompt (stretched pictures)."""
    side = 4 * seen.embedding.features.shape[-1]
    logits = torch.from_numpy(seen.logits)[None, None]
    return F.interpolate(logits, (side, side), mode="area")[0].numpy()


def refined(seen: Seen) -> ObjectLogits:
    """Asked once more by its own logits and box."""
    concept, embedding = seen.concept, seen.embedding
    asked = concept.locate(embedding).prompts
    x0, y0, x1, y1 = seen.box
    points = np.concatenate([asked.points, [[(x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2]]])
    prompts = Prompts(points, np.append(asked.labels, 1), seen.box)
    first = decoder.first_step(concept.backbone, embedding, prompts)
    step = decoder.refine_step(concept.backbone, embedding, first, number=2, box=True)
    return ObjectLogits.from_step(decoder.final_step([first, step]), embedding)


def recent_cells(seen: Seen, choices: Tracking) -> ObjectLogits:
    """The last frame's cells beside the first one's."""
    now = propagation.adapted(seen.concept, seen.past, seen.logits > 0)
    concept = replace(seen.concept, references=(*seen.concept.references, *now.references))
    return propagation.find(concept, seen.embedding, seen.state, choices)


DEFAULT = partial(ours, choices=Tracking())
# Name, method, learnt as the scripts learn, way.
Row = tuple[str, str, bool, Way]
ROWS: tuple[Row, ...] = (
    ("official", "persam", True, as_scripts),
    ("official, areas as uint8", "persam", True, partial(as_scripts, areas_as_uint8=True)),
    ("official", "persam-f", True, as_scripts),
    ("every frame alone", "persam", False, alone),
    ("every frame alone", "persam-f", False, alone),
    ("search of every frame", "persam", False, partial(ours, choices=SEARCH)),
    ("last box, never absent", "persam", False, partial(ours, choices=BOX)),
    ("last box and centre, never absent", "persam", False, partial(ours, choices=NEVER)),
    ("the same, absent below half its level: default", "persam", False, DEFAULT),
    ("default, kept 0.6", "persam", False, partial(ours, choices=Tracking(kept=0.6))),
    ("default", "persam-f", False, DEFAULT),
    ("besides: no negative point", "persam", False, partial(_there, change=no_negative)),
    ("besides: box 5 % wider", "persam", False, partial(_there, change=partial(grown, share=0.05))),
    ("besides: prior mask", "persam", False, partial(_there, change=prior_mask)),
    ("besides: last logits", "persam", False, partial(_there, change=last_logits)),
    ("besides: both, no box", "persam", False, partial(_there, change=partial(mixed, box=False))),
    ("besides: refined once", "persam", False, refined),
    ("besides: last frame's cells", "persam", False, partial(recent_cells, choices=NEVER)),
)


def read_clips(data: Path, backbone: Backbone) -> Iterator[Clip]:
    for name in (data / "ImageSets/2016/val.txt").read_text().split():
        photos = sorted((data / "JPEGImages/480p" / name).glob("*.jpg"))
        embeddings, truths = [], []
        for photo in photos:
            image = read_image(photo)
            truth = data / "Annotations/480p" / name / f"{photo.stem}.png"
            truths.append(read_mask(truth, image.shape[:2], usable=False) > 0)
            embeddings.append(backbone.encode(image))
        yield Clip(name, embeddings, truths, _learn(backbone, photos[0], truths[0]))


def _learn(backbone: Backbone, photo: Path, mask: np.ndarray) -> dict[str, Concept]:
    learn = partial(official.learn_object, backbone, photo, mask, fit="fast")
    return {
        "persam": persam.personalize(backbone, photo, mask=mask),
        "persam-f": persam.finetune(backbone, photo, mask=mask),
        "persam as the scripts": learn(method="persam"),
        "persam-f as the scripts": learn(method="persam-f"),
    }


def follow(clip: Clip, concept: Concept, way: Way) -> Fractions:
    """J and F of all frames but the first and the last."""
    state, past = TrackState(mask_box(clip.truths[0])), clip.embeddings[0]
    logits = clip.truths[0].astype(np.float32) * 12 - 6
    scores = []
    for embedding, truth in list(zip(clip.embeddings, clip.truths, strict=True))[1:-1]:
        look = way(Seen(concept, embedding, state, logits, past))
        logits, past = look.logits, embedding
        mask = (logits > 0).numpy()
        state = state.after(look, mask_box(mask))
        scores.append((region_similarity(mask, truth), contour_accuracy(mask, truth)))
    return scores


def measure(clips: list[Clip], row: Row) -> dict[str, Any]:
    name, method, scripts, way = row
    key = f"{method} as the scripts" if scripts else method
    means = {c.name: np.mean(follow(c, c.concepts[key], way), axis=0).tolist() for c in clips}
    j, f = np.mean(list(means.values()), axis=0).tolist()
    facts = {"way": name, "method": method, "j": j, "f": f, "j_and_f": (j + f) / 2}
    return facts | {"sequences": means}


def main(
    data: Path,
    model: str = "pocket",
    only: Annotated[str, typer.Option(help="Rows whose name has these words.")] = "",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every way and print the table."""
    clips = list(read_clips(data, persam.load(model)))
    typer.echo("| way | method | J | F | J&F |\n| --- | --- | --- | --- | --- |")
    rows = []
    for row in ROWS:
        if only not in row[0]:
            continue
        found = measure(clips, row)
        rows.append(found)
        numbers = " | ".join(f"{100 * found[key]:.1f}" for key in ("j", "f", "j_and_f"))
        typer.echo(f"| {found['way']} | {found['method']} | {numbers} |")
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
