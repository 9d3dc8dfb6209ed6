from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import made_clips
import numpy as np
import pytest
from made_clips import Made, make, picture, squares

from persam.errors import InputError
from persam.video.clip import open_clip
from persam.video.encoders import PRORES, VP9, Codec, VideoWriter, h264, with_alpha

if TYPE_CHECKING:
    from persam.video.clip import Clip

UNEVEN = (3, 4, 5, 9, 10, 20, 21, 23, 40, 41, 43, 44)


def write(path: Path, recipe: Codec, clip: Clip, *, alpha: bool) -> list[np.ndarray]:
    """Write a clip anew; with the red square's mask as alpha."""
    writer = VideoWriter(path, recipe, clip.format, clip.path if clip.has_sound else None)
    masks = []
    for frame in clip:
        assert not path.exists()
        mask = squares(frame.index, clip.height, clip.width)["red"]
        writer.write(
            frame, with_alpha(frame.image, mask.astype(np.uint8) * 255) if alpha else frame.image
        )
        masks.append(mask)
    writer.close()
    writer.discard()
    assert path.is_file()
    assert not list(path.parent.glob(".persam*"))
    return masks


def alphas(path: Path) -> list[np.ndarray]:
    """The alpha plane of every frame as it is decoded, scaled to 0..255."""
    av = made_clips.need_av()
    planes = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if path.suffix == ".webm":  # FFmpeg's own decoder leaves alpha out
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                part = frame.format.components[3]
                kind = np.uint8 if part.bits == 8 else np.uint16
                plane = frame.planes[3]
                values = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
                planes.append(values * (255 / (2**part.bits - 1)))
    return planes


@pytest.mark.parametrize("size", [(48, 64), (49, 65), (120, 214)])
@pytest.mark.parametrize(("name", "recipe"), [("a.mov", PRORES), ("a.webm", VP9)])
def test_alpha_is_read_back_within_2_of_255_and_every_time_is_kept(
    tmp_path: Path, name: str, recipe: Codec, size: tuple[int, int]
) -> None:
    made = Made("ffv1", "yuv444p", size=size, times=UNEVEN)
    clip = open_clip(make(tmp_path / "clip.mkv", made))
    masks = write(tmp_path / name, recipe, clip, alpha=True)
    planes = alphas(tmp_path / name)
    assert len(planes) == len(masks) == 12
    for plane, mask in zip(planes, masks, strict=True):
        assert plane.shape == mask.shape == size
        assert np.abs(plane - mask * 255.0).max() <= 2
    assert made_clips.seconds(tmp_path / name) == made_clips.seconds(tmp_path / "clip.mkv")


def test_every_frame_of_prores_says_what_its_colours_are(tmp_path: Path) -> None:
    av = made_clips.need_av()
    clip = open_clip(make(tmp_path / "clip.mkv", Made("ffv1", "yuv444p")))
    clip = replace(clip, format=replace(clip.format, primaries=9, transfer=16, wide=True))
    write(tmp_path / "a.mov", PRORES, clip, alpha=True)
    with av.open(str(tmp_path / "a.mov")) as container:
        for frame in container.decode(video=0):
            said = frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range
            assert [int(one) for one in said] == [9, 9, 16, 1]


@pytest.mark.parametrize(("name", "recipe"), [("a.mov", PRORES), ("a.webm", VP9)])
def test_the_object_keeps_its_colours_to_the_edge(tmp_path: Path, name: str, recipe: Codec) -> None:
    clip = open_clip(make(tmp_path / "clip.mkv", Made("ffv1", "yuv444p")))
    masks = write(tmp_path / name, recipe, clip, alpha=True)
    av = made_clips.need_av()
    with av.open(str(tmp_path / name)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            assert (int(frame.colorspace), frame.height, frame.width) == (1, 48, 64)
            rgb = frame.to_ndarray(format="rgb24").astype(int)
            far = np.abs(rgb - picture(index))[masks[index]]
            assert far.mean() < 8


def test_colours_stay_round_the_object_and_nowhere_else() -> None:
    image = np.full((64, 64, 3), 200, dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=bool)
    mask[:8, :8] = True
    rgba = with_alpha(image, mask.astype(np.uint8) * 255)
    assert (rgba[..., 3] == mask * 255).all()
    assert (rgba[:24, :24, :3] == 200).all()
    assert not rgba[24:, :, :3].any()
    assert not rgba[:, 24:, :3].any()
    assert not with_alpha(image, np.zeros_like(mask, dtype=np.uint8)).any()


@pytest.mark.parametrize(
    ("clip_name", "made"),
    [
        ("c.mp4", Made(times=UNEVEN, sound="aac", options={"bf": "2"})),
        ("c.mkv", Made(times=tuple(40 * t for t in UNEVEN), time_base=Fraction(1, 1000))),
        ("c.ts", Made(times=tuple(3003 * t for t in UNEVEN), time_base=Fraction(1, 90000))),
        ("c.webm", Made("libvpx-vp9", sound="libopus")),
        ("c.mov", Made("mpeg4", sound="pcm_s16le", times=UNEVEN)),
        ("odd.mkv", Made("ffv1", "yuv444p", size=(49, 65), times=UNEVEN)),
        ("wide.mp4", Made(aspect=Fraction(4, 3))),
        ("turned.mp4", Made(turn=(90, False, False), aspect=Fraction(4, 3))),
    ],
)
def test_an_overlay_has_the_clips_frames_times_size_and_sound(
    tmp_path: Path, clip_name: str, made: Made
) -> None:
    path = tmp_path / "overlay.mp4"
    clip = open_clip(make(tmp_path / clip_name, made))
    write(path, h264(clip.width, clip.height), clip, alpha=False)
    again = open_clip(path)
    assert made_clips.seconds(path) == made_clips.seconds(clip.path)
    assert (again.height, again.width) == (clip.height, clip.width)
    assert again.format.pixel_aspect == clip.format.pixel_aspect
    assert again.has_sound == clip.has_sound == (made.sound is not None)
    for old, new in zip(clip, again, strict=True):
        assert np.abs(old.image.astype(int) - new.image).mean() < 6


CASES = Path(__file__).parents[1] / "data" / "cases" / "odd-sound"


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_sound_without_a_layout_is_kept(tmp_path: Path, name: str) -> None:
    clip = open_clip(CASES / name)
    made = tmp_path / "overlay.mp4"
    write(made, h264(clip.width, clip.height), clip, alpha=False)
    with made_clips.need_av().open(str(made)) as container:
        track = container.streams.audio[0]
        heard = sum(frame.samples / frame.sample_rate for frame in container.decode(track))
    with made_clips.need_av().open(str(clip.path)) as container:
        track = container.streams.audio[0]
        expected = sum(frame.samples / frame.sample_rate for frame in container.decode(track))
    assert abs(heard - expected) < 0.3  # AAC's own frames at either end


@pytest.mark.parametrize(
    ("clip_name", "sound", "copied"),
    [("c.mp4", "aac", True), ("c.mkv", "libopus", True), ("c.mov", "pcm_s16le", False)],
)
def test_sound_is_copied_where_an_mp4_holds_it(
    tmp_path: Path, clip_name: str, sound: str, copied: bool
) -> None:
    made = Made("mpeg4", sound=sound, times=tuple(range(25)))
    path = tmp_path / "overlay.mp4"
    clip = open_clip(make(tmp_path / clip_name, made))
    write(path, h264(64, 48), clip, alpha=False)
    av = made_clips.need_av()

    def packets(file: Path) -> list[bytes]:
        with av.open(str(file)) as container:
            return [bytes(p) for p in container.demux(audio=0) if p.size]

    def wave(file: Path) -> np.ndarray:
        with av.open(str(file)) as container:
            resampler = av.AudioResampler("flt", "mono", 48000)
            parts = [r for f in container.decode(audio=0) for r in resampler.resample(f)]
            return np.concatenate([part.to_ndarray()[0] for part in parts])

    assert (packets(path) == packets(clip.path)) == copied
    old, new = wave(clip.path), wave(path)
    assert abs(len(old) - len(new)) <= 2048 + 1024
    middle = slice(10_000, 40_000)
    spectrum = np.abs(np.fft.rfft(new[middle]))
    assert spectrum.argmax() * 48000 / 30_000 == pytest.approx(440, abs=2)
    assert np.std(new[middle]) == pytest.approx(np.std(old[middle]), rel=0.1)


def test_an_interrupted_file_leaves_nothing(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "clip.mp4"))
    writer = VideoWriter(tmp_path / "out" / "a.mov", PRORES, clip.format)
    writer.write(next(iter(clip)), picture(0))
    writer.discard()
    writer.discard()
    assert list((tmp_path / "out").iterdir()) == []


def test_two_frames_in_one_millisecond_are_refused_by_webm(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "clip.nut", Made("ffv1", time_base=Fraction(1, 5000))))
    writer = VideoWriter(tmp_path / "a.webm", VP9, clip.format)
    with pytest.raises(InputError, match=r"within 0\.001 s, which a\.webm cannot tell apart"):
        for frame in clip:
            writer.write(frame, with_alpha(frame.image, np.zeros((48, 64), dtype=np.uint8)))
    writer.discard()
    assert not list(tmp_path.glob("*.webm"))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "clip.mp4"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.mov cannot be written"):
        VideoWriter(tmp_path / "file" / "a.mov", PRORES, clip.format)
