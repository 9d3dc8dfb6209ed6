"""Fit and check what the signs of a tracked mask say about the object's presence in the frame.

    python benchmarks/video_presence.py DATA [--json benchmarks/video-presence.json]

DATA has DAVIS's layout, as for benchmarks/video.py, whose clips this takes: every second frame of
each sequence with the object painted over for 20 frames, with a shot of another sequence spliced
in, and, drawn, a textured disc that moves over a still frame and is away for a third of the clip.
The built-in model follows the object; every answer's signs go with whether the object is truly
there. A logistic function of three of them is fitted by least loss (with a small penalty, so that
it stays finite). Printed are the weights for PRESENCE_WEIGHTS of persam/video/evidence.py, from all
sequences, and AUC, Brier score and calibration error of frames of sequences that had no part in the
fit, each left out once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import video

import persam
from persam.video import region_tracker
from persam.video.evidence import Signs

PENALTY = 1e-2
BINS = 5


def drawn(clip: video.Sequence, _: video.Sequence) -> video.Sequence:
    """A disc of noise that crosses the sequence's first frame; away in the middle third."""
    background, count = clip.frames[0], 48
    height, width = background.shape[:2]
    radius, dice = height // 8, np.random.default_rng(0)
    texture = dice.integers(60, 255, (2 * radius, 2 * radius, 3), dtype=np.uint8)
    texture[..., 1] //= 3
    rows, columns = np.mgrid[: 2 * radius, : 2 * radius] - radius
    disc = rows**2 + columns**2 < radius**2
    frames, truths = [], []
    for number in range(count):
        frame, truth = background.copy(), np.zeros((height, width), dtype=bool)
        if not count // 3 <= number < 2 * count // 3:
            top = height // 2 - radius
            left = 10 + (width - 2 * radius - 20) * number // count
            place = np.s_[top : top + 2 * radius, left : left + 2 * radius]
            truth[place] = disc
            frame[place][disc] = texture[disc]
        frames.append(frame)
        truths.append(truth)
    return video.Sequence(clip.name, frames, truths)


def signs_of(backbone: Any, clip: video.Sequence) -> list[tuple[Signs | None, bool]]:
    """What was found in every frame but the first, and whether the object is in it."""
    found: list[Signs | None] = []
    find = region_tracker.find

    def listening(*given: Any) -> Any:
        answer = find(*given)
        found.append(answer.signs)
        return answer

    region_tracker.find = listening
    try:
        for _ in video.follow(backbone, clip, "default"):
            pass
    finally:
        region_tracker.find = find
    return list(zip(found, (bool(truth.any()) for truth in clip.truths[1:]), strict=True))


def fitted(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Weights of a logistic function by Newton's steps."""
    weights = np.zeros(values.shape[1])
    for _ in range(50):
        share = probability(values, weights)
        slope = values.T @ (share - there) / len(there) + PENALTY * weights
        bend = (values.T * (share * (1 - share))) @ values / len(there)
        weights -= np.linalg.solve(bend + PENALTY * np.eye(len(weights)), slope)
    return weights


def probability(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values @ weights))


def checked(share: np.ndarray, there: np.ndarray) -> dict[str, float]:
    """AUC, Brier score and expected calibration error."""
    pairs = np.sign(share[there][:, None] - share[~there][None])
    bins = np.minimum((share * BINS).astype(int), BINS - 1)
    apart = [
        (bins == one).mean() * abs(share[bins == one].mean() - there[bins == one].mean())
        for one in np.unique(bins)
    ]
    return {
        "auc": float(pairs.mean() / 2 + 0.5),
        "brier": float(np.mean((share - there) ** 2)),
        "calibration_error": float(np.sum(apart)),
    }


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Collect, fit, check, and print."""
    backbone, clips = persam.load(model), video.read(data)
    rows, there, owner = [], [], []
    silent = [0, 0]
    for clip, other in zip(clips, (*clips[1:], clips[0]), strict=True):
        for kind in (video.hidden, video.cut, drawn):
            made = video.double(kind(clip, other), other)
            for signs, shown in signs_of(backbone, made):
                if signs is None:
                    silent[int(shown)] += 1
                    continue
                rows.append((1.0, signs.unlike, signs.disagrees, signs.drifted))
                there.append(shown)
                owner.append(clip.name)
    values, truth, names = np.array(rows), np.array(there), np.array(owner)
    held = np.zeros(len(truth))
    for name in dict.fromkeys(owner):
        own = names == name
        held[own] = probability(values[own], fitted(values[~own], truth[~own]))
    facts = {
        "model": model,
        "version": persam.__version__,
        "frames": len(truth),
        "with_object": int(truth.sum()),
        "nothing_compared": {"without_object": silent[0], "with_object": silent[1]},
        "weights": [round(float(one), 2) for one in fitted(values, truth)],
        "left_out": checked(held, truth),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
