from __future__ import annotations

import re
import sys
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import made_clips
import numpy as np
import pytest
from made_clips import Made, make, picture
from PIL import Image

from persam.errors import InputError, MissingExtra
from persam.video.clip import open_clip

if TYPE_CHECKING:
    from pathlib import Path

    from persam.video.structures import VideoFrame


def read(path: Path) -> list[VideoFrame]:
    return list(open_clip(path))


def worst(frames: list[VideoFrame]) -> float:
    """Largest difference of a frame to what was drawn, away from edges, which codecs smear."""
    height, width = frames[0].image.shape[:2]
    far = 0.0
    for frame in frames:
        wanted = picture(frame.index, height, width).astype(int)
        flat = np.ones((height, width), dtype=bool)
        for shift in range(-3, 4):
            flat &= (np.roll(wanted, shift, 0) == wanted).all(axis=2)
            flat &= (np.roll(wanted, shift, 1) == wanted).all(axis=2)
        far = max(far, np.abs(frame.image.astype(int) - wanted)[flat].max())
    return float(far)


def blur(frames: list[VideoFrame]) -> float:
    """Mean difference to what was drawn, the worst frame's."""
    height, width = frames[0].image.shape[:2]
    return max(
        float(np.abs(frame.image.astype(int) - picture(frame.index, height, width)).mean())
        for frame in frames
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clip = tmp_path / "clip"
    clip.mkdir()
    for index, name in enumerate(("2.png", "10.png", "9.jpg")):
        Image.fromarray(picture(index)).save(clip / name)
    (clip / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (clip / "notes.txt").write_text("take 2")
    return clip


def test_a_folder_is_read_in_natural_order(folder: Path) -> None:
    clip = open_clip(folder)
    assert (clip.width, clip.height, clip.frames, clip.rate) == (64, 48, 3, 25)
    assert not clip.has_sound
    frames = list(clip)
    assert [frame.name for frame in frames] == ["2", "9", "10"]
    assert [frame.pts for frame in frames] == [0, 1, 2]
    assert {frame.time_base for frame in frames} == {Fraction(1, 25)}
    assert np.array_equal(frames[2].image, picture(1))
    assert [path.name for path in clip.passed_over] == [".DS_Store", "notes.txt"]
    assert len(list(clip)) == 3  # from the beginning again
    assert open_clip(folder, fps=29.97).format.time_base == Fraction(100, 2997)


def test_frames_that_share_a_stem_get_names_of_their_own(folder: Path) -> None:
    Image.fromarray(picture(0)).save(folder / "10.jpg")
    names = [frame.name for frame in read(folder)]
    assert len(set(names)) == len(names) == 4


def test_a_folder_that_changes_has_another_stamp(folder: Path) -> None:
    before = open_clip(folder).stamp
    assert open_clip(folder).stamp == before
    (folder / "10.png").unlink()
    assert open_clip(folder).stamp != before


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("11.png", (20, 30), "11.png is 30x20, the first frame 64x48"),
        ("3.png", None, "3.png is not"),
        ("1.png", None, "1.png is not"),
    ],
)
def test_a_bad_frame_of_a_folder_is_left_out_and_said(
    folder: Path, name: str, size: tuple[int, int] | None, said: str
) -> None:
    if size is None:
        (folder / name).write_text("no picture")
    else:
        Image.fromarray(picture(0, 48, 64)[: size[0], : size[1]]).save(folder / name)
    clip = open_clip(folder)
    frames = list(clip)
    places = [2, 9, 10, int(name.partition(".")[0])]
    expected = [sorted(places).index(place) for place in places[:3]]
    assert [frame.name for frame in frames] == ["2", "9", "10"]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.pts for frame in frames] == expected  # the others keep their times
    assert clip.damage.lost == 1
    assert re.search(said, clip.damage.reasons[0])


def test_a_folder_without_a_single_frame_is_refused(folder: Path) -> None:
    for path in folder.glob("*.[jp][pn]g"):
        path.write_text("no picture")
    with pytest.raises(InputError, match=r"None of the 3 pictures in .* can be read"):
        open_clip(folder)


def test_a_coding_without_a_decoder_is_one_clear_error(tmp_path: Path) -> None:
    path = make(tmp_path / "c.avi", Made("mpeg4"))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ").replace(b"fmp4", b"ZZZZ"))
    with pytest.raises(InputError, match="no decoder for here"):
        open_clip(path)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e300, 1e-300, 10_001])
def test_rates_that_are_none(folder: Path, fps: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        open_clip(folder, fps=fps)


UNEVEN = (0, 1, 2, 7, 8, 20, 21, 22, 40, 41, 43, 44)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("c.mp4", Made(times=UNEVEN, options={"bf": "2"})),
        ("c.mkv", Made(times=UNEVEN, time_base=Fraction(1, 1000))),
        ("c.mov", Made("mpeg4", times=tuple(90 + t for t in UNEVEN), time_base=Fraction(1, 90))),
        ("c.webm", Made("libvpx-vp9", times=UNEVEN, time_base=Fraction(1, 1000))),
        ("c.ts", Made(times=tuple(3003 * t for t in UNEVEN), time_base=Fraction(1, 90000))),
        ("ten-bit.mp4", Made("libx264", "yuv420p10le", times=UNEVEN)),
        ("c.mp4", Made(size=(49, 65), pixels="yuv444p")),
    ],
)
def test_every_frame_comes_at_its_own_time(tmp_path: Path, name: str, made: Made) -> None:
    path = make(tmp_path / name, made)
    clip = open_clip(path)
    frames = list(clip)
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.name for frame in frames][:2] == ["00000", "00001"]
    times = [frame.pts * frame.time_base for frame in frames]
    assert times == made_clips.seconds(path)
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps == [(later - earlier) * made.time_base for earlier, later in pairwise(made.times)]
    assert (clip.height, clip.width) == made.size == frames[0].image.shape[:2]
    assert blur(frames) < 10
    assert (clip.damage.lost, clip.damage.concealed, clip.damage.retimed) == (0, 0, 0)


def test_only_as_many_frames_are_decoded_as_are_asked_for(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "c.mp4"))
    frames = iter(clip)
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    frames.close()  # pyright: ignore
    assert len(list(clip)) == 12


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("ten-bit.mkv", Made("ffv1", "yuv420p10le")),
        ("full.mkv", Made("ffv1", "yuv444p", full=True)),
        ("small.mkv", Made("ffv1", "yuv444p", space="ITU601")),
        ("wide.mkv", Made("ffv1", "yuv444p10le", space="BT2020")),
        ("rgb.mkv", Made("ffv1", "bgr0")),
        ("still.mov", Made("png", "rgb24")),
    ],
)
def test_colours_are_those_that_were_drawn(tmp_path: Path, name: str, made: Made) -> None:
    assert worst(read(make(tmp_path / name, made))) <= 8


def test_a_file_that_says_nothing_of_its_colours_is_read_as_players_do(tmp_path: Path) -> None:
    """BT.601 in small pictures, BT.709 in high definition."""
    av = made_clips.need_av()
    for height, space in ((48, "ITU601"), (720, "ITU709")):
        path = tmp_path / f"{height}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, 64, "yuv444p"
            frame = av.VideoFrame.from_ndarray(picture(0, height), format="rgb24").reformat(
                format="yuv444p", dst_colorspace=space, dst_color_range="MPEG"
            )
            frame.colorspace, frame.color_range = 2, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert worst(read(path)) <= 3


def test_grey_and_transparent_clips(tmp_path: Path) -> None:
    grey = read(make(tmp_path / "grey.mkv", Made("ffv1", "gray", full=True, times=(0,))))
    expected = np.array(Image.fromarray(picture(0)).convert("L")).astype(int)
    assert np.abs(grey[0].image.astype(int) - expected[..., None]).max() <= 12

    clear = np.dstack([picture(0), np.full((48, 64), 255, dtype=np.uint8)])
    clear[:10, :, 3] = 0
    for name, made in (
        ("clear.webm", Made("libvpx-vp9", "yuva420p", {"lossless": "1"}, times=(0,))),
        ("clear.mov", Made("qtrle", "argb", times=(0,))),
        ("clear.mkv", Made("ffv1", "yuva444p", times=(0,))),
    ):
        image = read(make(tmp_path / name, made, [clear]))[0].image
        assert (image[:8] > 250).all(), name
        assert np.abs(image[30:40, 50:].astype(int) - (60, 110, 70)).max() <= 8, name


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_turned_clips_come_upright(tmp_path: Path, turn: int, flipped: bool) -> None:
    made = Made(
        "mpeg4", "yuv420p", {"q:v": "2"}, turn=(turn, flipped, False), aspect=Fraction(4, 3)
    )
    clip = open_clip(make(tmp_path / "phone.mp4", made))
    expected = np.rot90(picture(0), turn // 90)
    # A mirror image is made after the turn, as EXIF has it.
    expected = expected[:, ::-1] if flipped else expected
    first = next(iter(clip))
    assert first.image.shape == expected.shape == (clip.height, clip.width, 3)
    assert np.abs(first.image.astype(int) - expected).mean() < 8
    assert clip.format.pixel_aspect == (Fraction(3, 4) if turn % 180 else Fraction(4, 3))


def _break(path: Path, at: int, keep: int = 4) -> None:
    """Overwrite the inside of the packet number ``at``."""
    with made_clips.need_av().open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    position, size = packets[at]
    data = bytearray(path.read_bytes())
    data[position + keep : position + size] = b"\x55" * (size - keep)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("c.mp4", Made(options={"bf": "0"})),
        ("c.mp4", Made(options={"bf": "2", "g": "4"})),
        ("c.mov", Made("png", "rgb24")),
        ("c.avi", Made("mpeg4")),
        ("c.mkv", Made("ffv1", "yuv420p", {"slicecrc": "1", "level": "3"})),
        ("c.webm", Made("libvpx-vp9")),
    ],
)
def test_a_broken_packet_is_counted_and_the_rest_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, made: Made
) -> None:
    path = make(tmp_path / name, made)
    whole = [frame.pts for frame in read(path)]
    _break(path, 5)
    clip = open_clip(path)
    frames = list(clip)
    damage = clip.damage
    assert damage.lost + damage.concealed > 0
    assert len(frames) + damage.lost == 12
    assert {frame.pts for frame in frames} <= set(whole)
    assert blur(frames[:3]) < 8
    assert len(list(clip)) == len(frames)
    assert clip.damage == damage  # counted anew each time
    assert capfd.readouterr() == ("", "")


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    path = make(tmp_path / "c.mkv", Made("ffv1"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    clip = open_clip(path)
    assert 1 <= len(list(clip)) < 12


def test_frames_without_times_are_placed_and_counted(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "bare.h264", Made(options={"bf": "0"})))
    times = [frame.pts * frame.time_base for frame in clip]
    assert len(times) == 12
    assert times == sorted(set(times))


def _no_frames(path: Path) -> None:
    if path.suffix == ".y4m":
        path.write_text("YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n")
        return
    with made_clips.need_av().open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.start_encoding()


def _sound(path: Path, cover: bool = False) -> None:
    av = made_clips.need_av()
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        stream.codec_context.layout = "mono"
        if cover:
            picture_stream = container.add_stream("mjpeg", rate=1)
            picture_stream.height, picture_stream.width = 48, 64
            picture_stream.pix_fmt = "yuvj420p"
            picture_stream.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(picture(0), format="rgb24")
            container.mux(picture_stream.encode(frame.reformat(format="yuvj420p")))
            container.mux(picture_stream.encode(None))
        made_clips.tone(container, stream, 0.5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.y4m", "none.y4m holds no frames"),
        ("none.mp4", "none.mp4 holds no video"),
        ("sound.m4a", "sound.m4a holds only sound"),
        ("cover.m4a", "cover.m4a holds only sound"),
        ("letter.mp4", "letter.mp4 is not a video that FFmpeg reads"),
        ("empty.mp4", "empty.mp4 is not a video that FFmpeg reads"),
        ("gone.mp4", r"gone.mp4 cannot be read: No such file"),
    ],
)
def test_what_is_no_clip_is_one_clear_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    path = tmp_path / name
    made_clips.need_av()
    if path.stem == "none":
        _no_frames(path)
    elif path.suffix == ".m4a":
        _sound(path, cover=name == "cover.m4a")
    elif name != "gone.mp4":
        path.write_text("Dear reader" if name == "letter.mp4" else "")
    with pytest.raises(InputError, match=said):
        open_clip(path)
    assert capfd.readouterr() == ("", "")


def test_a_rate_for_a_file_would_do_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--fps 30 would do nothing"):
        open_clip(make(tmp_path / "c.mp4"), fps=30)


def test_names_with_a_colon_are_names(tmp_path: Path) -> None:
    path = tmp_path / "a:b %d.mp4"
    make(tmp_path / "c.mp4").rename(path)
    assert len(read(path)) == 12


def test_without_pyav_the_pip_line_is_named(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "c.mp4").write_bytes(b"anything")
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[video\]'"):
        open_clip(tmp_path / "c.mp4")
    assert len(read(folder)) == 3
