"""Follow an object through DAVIS 2016 clips, and through harder clips that are made of them.

    python benchmarks/video.py DATA [--kinds plain,lookalike,hidden,cut,half,double,dropped]
        [--variant default] [--corrections 0,1,2,4] [--sequences libby] [--every 2] [--json OUT]

DATA has DAVIS's layout. The object is learnt from the first frame, whose mask is given. Clips:

    plain      as it is
    lookalike  the object itself pasted a second time, beside itself, in every frame
    hidden     the object painted over with what is beside it, for 20 frames in the middle
    cut        20 frames of the next clip in the middle
    half       every frame twice (half speed)
    double     every second frame (double speed)
    dropped    half of the frames at random

--variant before is the tracker that our own one took the place of, by the last box alone.

J and F are DAVIS's (first and last frame left out), the mean over the frames with the object.
Claimed: share of the frames that do not show it in which a mask is found all the same. AUC: how
well presence (of versions without one: 1 - doubt, where a mask is found, else 0) tells frames with
the object from frames without.

--corrections marks so many frames by their true masks, one after the other, where doubt is largest
and at random, and follows the plain clips anew. --every N takes every Nth frame of each sequence.
Only public functions are used but for these, so that earlier versions can be measured by this file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

import persam
from persam.evaluation.sequences import contour_accuracy, region_similarity

KINDS = ("plain", "lookalike", "hidden", "cut", "half", "double", "dropped")
AWAY = 20  # frames


@dataclass(frozen=True, eq=False)
class Sequence:
    """Frames ``(H, W, 3)`` uint8 and true masks ``(H, W)`` bool; None where it is not judged."""

    name: str
    frames: list[np.ndarray]
    truths: list[np.ndarray]


def read(data: Path) -> list[Sequence]:
    found = []
    for name in (data / "ImageSets/2016/val.txt").read_text().split():
        photos = sorted((data / "JPEGImages/480p" / name).glob("*.jpg"))
        masks = (data / "Annotations/480p" / name / f"{photo.stem}.png" for photo in photos)
        frames = [np.asarray(Image.open(photo).convert("RGB")) for photo in photos]
        truths = [np.asarray(Image.open(mask).convert("L")) > 0 for mask in masks]
        found.append(Sequence(name, frames, truths))
    return found


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def lookalike(clip: Sequence, _: Sequence) -> Sequence:
    x0, _, x1, _ = box_of(clip.truths[0])
    width = clip.truths[0].shape[1]
    shift = round(1.15 * (x1 - x0)) * (1 if x0 + x1 < width else -1)
    frames = []
    for frame, truth in zip(clip.frames, clip.truths, strict=True):
        twin, source = np.roll(truth, shift, axis=1), np.roll(frame, shift, axis=1)
        inside = np.arange(width) >= shift if shift > 0 else np.arange(width) < width + shift
        twin = twin & inside & ~truth
        frames.append(np.where(twin[..., None], source, frame))
    return Sequence(clip.name, frames, clip.truths)


def hidden(clip: Sequence, _: Sequence) -> Sequence:
    start = (len(clip.frames) - AWAY) // 2
    frames, truths = list(clip.frames), list(clip.truths)
    for number in range(start, start + AWAY):
        frames[number] = painted_over(frames[number], truths[number])
        truths[number] = np.zeros_like(truths[number])
    return Sequence(clip.name, frames, truths)


def painted_over(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The wider strip beside the object, mirrored and stretched over it."""
    x0, y0, x1, y1 = box_of(mask)
    height, width = mask.shape
    x0, y0, x1, y1 = max(0, x0 - 8), max(0, y0 - 8), min(width, x1 + 8), min(height, y1 + 8)
    left = x0 >= width - x1
    strip = frame[y0:y1, max(0, 2 * x0 - x1) : x0] if left else frame[y0:y1, x1 : 2 * x1 - x0]
    patch = Image.fromarray(np.ascontiguousarray(strip[:, ::-1])).resize((x1 - x0, y1 - y0))
    made = frame.copy()
    made[y0:y1, x0:x1] = np.asarray(patch)
    return made


def cut(clip: Sequence, other: Sequence) -> Sequence:
    middle, (height, width) = len(clip.frames) // 2, clip.truths[0].shape
    shot = [
        np.asarray(Image.fromarray(frame).resize((width, height))) for frame in other.frames[:AWAY]
    ]
    none = [np.zeros_like(clip.truths[0])] * len(shot)
    frames = [*clip.frames[:middle], *shot, *clip.frames[middle:]]
    return Sequence(clip.name, frames, [*clip.truths[:middle], *none, *clip.truths[middle:]])


def half(clip: Sequence, _: Sequence) -> Sequence:
    return picked(clip, [number for number in range(len(clip.frames)) for _ in (0, 1)])


def double(clip: Sequence, _: Sequence) -> Sequence:
    return picked(clip, list(range(0, len(clip.frames), 2)))


def dropped(clip: Sequence, _: Sequence) -> Sequence:
    dice, count = np.random.default_rng(0), len(clip.frames)
    return picked(clip, [0, *sorted(dice.choice(np.arange(1, count), count // 2, replace=False))])


def picked(clip: Sequence, numbers: list[int]) -> Sequence:
    return Sequence(clip.name, [clip.frames[n] for n in numbers], [clip.truths[n] for n in numbers])


def plain(clip: Sequence, _: Sequence) -> Sequence:
    return clip


def follow(backbone: Any, clip: Sequence, variant: str) -> Iterator[Any]:
    if variant == "before":
        yield from follow_before(backbone, clip)
        return
    concept = persam.personalize(backbone, clip.frames[0], mask=clip.truths[0])
    first = {"object": clip.truths[0]}
    for answer in persam.track(concept, clip.frames, first=first, variant=variant):
        yield answer["object"]


@dataclass(frozen=True, eq=False)
class Found:
    """A frame's answer of the tracker before."""

    mask: np.ndarray
    presence: float | None = None

    @property
    def present(self) -> bool:
        return bool(self.mask.any())


def follow_before(backbone: Any, clip: Sequence) -> Iterator[Found]:
    """The tracker before there was a memory: the last box and its centre, in the whole frame.

    What is below half of the object's usual likeness is not it; then the concept searches.
    """
    from persam.pipeline import decoder
    from persam.pipeline.one_piece import final_object
    from persam.pipeline.prompts import mask_box
    from persam.structures import Prompts
    from persam.video.target import adapted, likeness_within

    truth, level = clip.truths[0], None
    concept = persam.personalize(backbone, clip.frames[0], mask=truth)
    concept, box = adapted(concept, backbone.encode(clip.frames[0]), truth), box_of(truth)
    yield Found(truth)
    for image in clip.frames[1:]:
        embedding = backbone.encode(image)
        seen, least = (
            concept.locate(embedding),
            concept.min_likeness if level is None else level / 2,
        )
        points = [*seen.prompts.points, [(box[0] + box[2]) // 2, (box[1] + box[3]) // 2]]
        prompts = Prompts(np.array(points), np.append(seen.prompts.labels, 1), box)
        mask = decoder.first_step(backbone, embedding, prompts).mask
        alike = likeness_within(concept, embedding, mask) if mask.any() else -1.0
        if alike < least:
            steps = decoder.decode(concept, embedding, seen.prompts, seen.guidance)
            mask = final_object(steps, seen.prior, concept.variant).mask
            alike = likeness_within(concept, embedding, mask) if mask.any() else -1.0
            if alike < max(least, concept.min_likeness):
                yield Found(np.zeros_like(truth))
                continue
        level = alike if level is None else level + 0.1 * (alike - level)
        box = mask_box(mask) or box
        yield Found(mask)


def belief(answer: Any) -> float:
    if getattr(answer, "presence", None) is not None:
        return answer.presence
    return 1 - getattr(answer, "doubt", 0.0) if answer.present else 0.0


def judge(clip: Sequence, masks: list[np.ndarray], beliefs: list[float]) -> dict[str, float]:
    there = [n for n in range(1, len(masks) - 1) if clip.truths[n].any()]
    away = [n for n in range(1, len(masks) - 1) if not clip.truths[n].any()]
    j = float(np.mean([region_similarity(masks[n], clip.truths[n]) for n in there]))
    f = float(np.mean([contour_accuracy(masks[n], clip.truths[n]) for n in there]))
    found = {"j": j, "f": f, "j_and_f": (j + f) / 2}
    if away:
        found["claimed"] = float(np.mean([masks[n].any() for n in away]))
        pairs = [np.sign(beliefs[a] - beliefs[b]) for a in there for b in away]
        found["auc"] = float(np.mean(pairs)) / 2 + 0.5
    return found


def corrected(
    backbone: Any, clip: Sequence, counts: list[int], *, by_doubt: bool
) -> dict[int, dict[str, float]]:
    """Follow a clip, mark one frame after the other by its true mask, and judge at some counts."""
    from persam.video.clip import open_clip
    from persam.video.job import TrackRequest, segment_clip
    from persam.video.tracking import make_tracker

    concept = persam.personalize(backbone, clip.frames[0], mask=clip.truths[0])
    marks = {0: {"object": clip.truths[0]}}
    with tempfile.TemporaryDirectory() as folder:
        frames, out = Path(folder) / "frames", Path(folder) / "out"
        frames.mkdir()
        for number, frame in enumerate(clip.frames):
            Image.fromarray(frame).save(frames / f"{number:05d}.png", compress_level=1)
        request = TrackRequest(("object",), lambda _: make_tracker(concept), marks)
        segment_clip(request, open_clip(frames), out)
        dice, judged = np.random.default_rng(0), {}
        for count in range(max(counts) + 1):
            if count in counts:
                paths = sorted((out / "masks").glob("*.png"))
                masks = [np.asarray(Image.open(path)) > 0 for path in paths]
                judged[count] = judge(clip, masks, [1.0] * len(masks))
            if count == max(counts):
                break
            text = (out / "manifest.jsonl").read_text().splitlines()
            lines = [json.loads(line)["objects"]["object"] for line in text]
            free = [n for n in range(1, len(lines) - 1) if n not in marks]
            # A frame that is absent is as doubtful as can be: this clip never hides its object.
            doubts = [lines[n]["doubt"] if lines[n]["present"] else 1.0 for n in free]
            at = free[int(np.argmax(doubts))] if by_doubt else int(dice.choice(free))
            marks[at] = {"object": clip.truths[at]}
            segment_clip(request, open_clip(frames), out)
    return judged


def main(  # noqa: PLR0913, PLR0917
    data: Path,
    model: str = "pocket",
    kinds: str = ",".join(KINDS),
    variant: str = "default",
    corrections: str = "",
    sequences: str = "",
    every: int = 1,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every kind of clip and print the table."""
    clips, backbone = read(data), persam.load(model)
    clips = [picked(clip, list(range(0, len(clip.frames), every))) for clip in clips]
    chosen = sequences.split(",") if sequences else [clip.name for clip in clips]
    rows: list[dict[str, Any]] = []
    typer.echo("| clips | J | F | J&F | claimed | AUC |\n| --- | --- | --- | --- | --- | --- |")

    def add(kind: str, found: dict[str, dict[str, float]]) -> None:
        names = list(dict.fromkeys(name for one in found.values() for name in one))
        means = {n: float(np.mean([one[n] for one in found.values() if n in one])) for n in names}
        rows.append({"kind": kind, **means, "sequences": found})
        cells = [f"{100 * means[n]:.1f}" if n in means else "" for n in COLUMNS]
        typer.echo(f"| {kind} | " + " | ".join(cells) + " |")
        if out is not None:
            facts = {"model": model, "variant": variant, "version": persam.__version__}
            out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")

    for kind in filter(None, kinds.split(",")):
        found = {}
        for clip, other in zip(clips, (*clips[1:], clips[0]), strict=True):
            if clip.name not in chosen:
                continue
            made = globals()[kind](clip, other)
            answers = list(follow(backbone, made, variant))
            found[clip.name] = judge(made, [a.mask for a in answers], [*map(belief, answers)])
        add(kind, found)
    counts = [int(count) for count in filter(None, corrections.split(","))]
    for by_doubt in (True, False) if counts else ():
        judged = {
            clip.name: corrected(backbone, clip, counts, by_doubt=by_doubt)
            for clip in clips
            if clip.name in chosen
        }
        for count in counts:
            found = {name: one[count] for name, one in judged.items()}
            add(f"{count} corrected, {'by doubt' if by_doubt else 'at random'}", found)


COLUMNS = ("j", "f", "j_and_f", "claimed", "auc")

if __name__ == "__main__":
    typer.run(main)
