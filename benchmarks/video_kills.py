"""Kill a run on a clip at ten random moments, let it go on, and read every output back.

    python benchmarks/video_kills.py DATA [--kills 10] [--frames 12] [--json video-kills.json]

DATA has DAVIS's layout. The first frames of its first sequence, halved in size, become an H.264
clip in colours of BT.709, with a keyframe in its last frame, so that it is tracked both ways. It is
followed once without a stop, by `persam track` in a process of its own; then a second folder gets
the same command, which is killed (SIGKILL) after random shares of the time that the whole run
took, started anew each time, and at last left to end; where it ends before the kill, it is compared
and begun anew. All that both have written is compared: masks, pictures, manifest and COCO file byte
for byte, videos by their decoded frames (with alpha), times and colour tags. Videos that are coded
with loss may differ by a little.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer
from PIL import Image

import persam

SAVE = "alpha,webm,soft,png16,exr,cutouts,overlay,coco"
EXACT = {".png", ".exr", ".jsonl", ".json"}
LOSS = {"overlay.mp4": 3.0}  # mean difference of a channel, 0..255, that a lossy codec may make


def clip_of(data: Path, frames: int, folder: Path) -> list[str]:
    """Write the clip and its masks; what `persam track` is told of them."""
    name = (data / "ImageSets/2016/val.txt").read_text().split()[0]
    photos = sorted((data / "JPEGImages/480p" / name).glob("*.jpg"))[:frames]
    marks = [data / "Annotations/480p" / name / f"{photos[at].stem}.png" for at in (0, -1)]
    size = 2 * (Image.open(photos[0]).width // 4), 2 * (Image.open(photos[0]).height // 4)
    for number, mark in enumerate(marks):
        Image.open(mark).convert("L").resize(size, Image.Resampling.NEAREST).save(
            folder / f"{number}.png"
        )
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        for photo in photos:
            picture = av.VideoFrame.from_image(Image.open(photo).convert("RGB").resize(size))
            coded = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            container.mux(stream.encode(coded))
        container.mux(stream.encode(None))
    return [
        *(sys.executable, "-c", "from persam.cli import main; main()", "track"),
        *(str(folder / "clip.mp4"), "--first-mask", str(folder / "0.png")),
        *("--keyframe", f"{frames - 1}={folder / '1.png'}", "--save", SAVE, "--out"),
    ]


def run(command: list[str], out: Path, kill_after: float | None = None) -> bool:
    """Run the command; whether it came to its end before it was killed."""
    process = subprocess.Popen(  # noqa: S603
        [*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode:
        raise RuntimeError(said.decode())
    return True


def video(path: Path) -> tuple[list[int], list[tuple[Any, ...]], list[np.ndarray]]:
    """Times, colour tags and ``(h, w, 4)`` frames of a video."""
    times, tags, pictures = [], [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = "libvpx-vp9" if stream.codec_context.name == "vp9" else None
        decoder = av.CodecContext.create(codec, "r") if codec else None
        for packet in container.demux(stream):
            for frame in decoder.decode(packet) if decoder else packet.decode():
                times.append(frame.pts)
                kinds = frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
                tags.append(tuple(int(kind) for kind in kinds))
                pictures.append(frame.to_ndarray(format="rgba").astype(np.int16))
    return times, tags, pictures


def compared(one: Path, other: Path) -> dict[str, str]:
    """What differs between two folders of results, by file; empty where they are alike."""
    faults, names = {}, {}
    for folder in (one, other):
        files = (path for path in folder.rglob("*") if path.is_file())
        names[folder] = {str(p.relative_to(folder)) for p in files if ".persam" not in p.name}
    for name in names[one] ^ names[other]:
        faults[name] = "is in one of them only"
    for name in names[one] & names[other]:
        if Path(name).suffix in EXACT:
            if (one / name).read_bytes() != (other / name).read_bytes():
                faults[name] = "differs"
            continue
        (times, tags, mine), (their_times, their_tags, theirs) = (
            video(one / name),
            video(other / name),
        )
        if times != their_times or tags != their_tags:
            faults[name] = "differs in times or colour tags"
        elif any(
            np.abs(a - b).mean() > LOSS.get(name, 0.0) for a, b in zip(mine, theirs, strict=True)
        ):
            faults[name] = "differs in its pictures"
    return faults


def main(
    data: Path,
    kills: int = 10,
    frames: int = 12,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Kill, go on, compare; exit code 1 where anything differs."""
    dice = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = clip_of(data, frames, folder)
        began = time.perf_counter()
        run(command, folder / "whole")
        seconds = time.perf_counter() - began
        moments: list[float] = []
        faults: dict[str, str] = {}
        out_killed, ended = folder / "killed", 0
        while len(moments) < kills:
            share = float(dice.uniform(0.1, 0.9))
            if not run(command, out_killed, share * seconds):
                moments.append(share)
                continue
            # What is done cannot be killed: look at it, and begin anew.
            faults |= compared(folder / "whole", out_killed)
            shutil.rmtree(out_killed)
            ended += 1
        run(command, out_killed)
        faults |= compared(folder / "whole", out_killed)
        files = sum(path.is_file() for path in (folder / "whole").rglob("*"))
    facts = {
        "version": persam.__version__,
        "frames": frames,
        "files": files,
        "killed_at_shares": [round(share, 2) for share in moments],
        "ends_compared": ended + 1,
        "faults": faults,
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2) + "\n")
    raise typer.Exit(int(bool(faults)))


if __name__ == "__main__":
    typer.run(main)
