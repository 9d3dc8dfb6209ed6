"""Scores on tiny CLIP and DINO models: what raises them, and what they do not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_diffusion
import torch
from PIL import Image

from persam.dreambooth.features import ClipEyes, DinoEyes, load_clip, load_dino
from persam.dreambooth.scoring import Finder, cosines, prompts, score
from persam.errors import InputError, ModelNotFound

NOWHERE = Finder("nothing", lambda picture: np.zeros(picture.shape[:2], dtype=bool))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    made = {name: tmp_path_factory.mktemp(name) for name in ("clip", "dino")}
    tiny_diffusion.build_clip(made["clip"])
    tiny_diffusion.build_dino(made["dino"])
    return {name: str(folder) for name, folder in made.items()}


@pytest.fixture(scope="module")
def clip(folders) -> ClipEyes:
    return load_clip(folders["clip"], "cpu")


@pytest.fixture(scope="module")
def dino(folders) -> DinoEyes:
    return load_dino(folders["dino"], "cpu")


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Any:
    return tiny_diffusion.subject(tmp_path_factory.mktemp("subject"))


def noise(seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*size, 3), dtype=np.uint8)


def test_vectors_are_of_length_one_and_tell_pictures_apart(clip, dino):
    for vectors in (clip.pictures([noise(0), noise(1)]), dino.pictures([noise(0), noise(1)])):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
        assert vectors[0] @ vectors[1] < 0.999
    words = clip.prompts(["a dog", "a cat on a beach", "dog " * 200])
    torch.testing.assert_close(words.norm(dim=1), torch.ones(3))


def test_the_background_does_not_see_the_subject(dino):
    """Whatever is painted under the mask, the background's vector stays; beside it, it does not."""
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:30, 5:25] = True
    picture = noise(3, (40, 40))
    inside, outside = picture.copy(), picture.copy()
    inside[12:28, 7:23] = noise(4, (16, 16))
    outside[:, 30:] = 255 - outside[:, 30:]
    first, same, other = dino.backgrounds([picture, inside, outside], [mask] * 3)
    torch.testing.assert_close(first @ same, torch.tensor(1.0), atol=2e-3, rtol=0)
    assert first @ other < 0.99
    assert dino.backgrounds([picture], [np.ones((40, 40), dtype=bool)]) == [None]


def test_the_photos_themselves_score_one_in_their_pairs(clip, dino, subject, tmp_path):
    photo = subject.photos[0]
    (tmp_path / "a.png").write_bytes(subject.image(photo).read_bytes())
    (tmp_path / "a.txt").write_text("a photo of sks dog\n")
    weights = np.array(Image.open(subject.mask(photo))) > 0
    found = score(tmp_path, subject.folder, clip, dino, Finder("truth", lambda _: weights))
    assert found.background_nearest == pytest.approx(1, abs=1e-3)
    own = clip.pictures([np.array(Image.open(subject.image(p))) for p in subject.photos])
    assert found.clip_i == pytest.approx(float((own[0] @ own.T).mean()), abs=1e-3)
    expected = own[0] @ clip.prompts(["a photo of dog"])[0]  # the token is not CLIP's word
    assert found.clip_t == pytest.approx(float(expected), abs=1e-3)
    assert (found.samples, found.photos, found.without_subject) == (1, 3, 0)
    assert (found.clip, found.dino_model, found.finder) == (clip.name, dino.name, "truth")


def test_a_copied_background_scores_higher_than_another(clip, dino, subject, tmp_path):
    photo = np.array(Image.open(subject.image(subject.photos[0])))
    weights = np.array(Image.open(subject.mask(subject.photos[0]))) > 0
    for name, behind in (("copied", photo), ("other", noise(9))):
        (tmp_path / name).mkdir()
        drawn = np.where(weights[..., None], np.uint8(200), behind)
        Image.fromarray(drawn).save(tmp_path / name / "0.png")
    finder = Finder("truth", lambda _: weights)
    copied, other = (
        score(tmp_path / name, subject.folder, clip, dino, finder) for name in ("copied", "other")
    )
    assert copied.background_nearest > 0.99
    assert other.background_nearest < copied.background_nearest - 0.01
    assert copied.clip_t is None
    assert copied.background_photos == other.background_photos


def test_samples_without_the_subject_are_counted(clip, dino, subject, tmp_path):
    found = score(tiny_diffusion.pictures(tmp_path, 2), subject.folder, clip, dino, NOWHERE)
    assert found.without_subject == 2
    assert found.background is not None


def test_cosines_skip_what_is_not_there():
    one, two = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    assert cosines([one, None], [two, one]).tolist() == [[pytest.approx(0.6), 1.0]]
    assert cosines([None], [one]).numel() == 0


def test_prompts_are_given_to_all_or_none(subject, tmp_path):
    pictures = sorted(tiny_diffusion.pictures(tmp_path, 2).iterdir())
    assert prompts(pictures, subject) is None
    (tmp_path / "00.txt").write_text("an sks dog")
    with pytest.raises(InputError, match=r"01\.txt is missing"):
        prompts(pictures, subject)
    (tmp_path / "01.txt").write_text("\ufeffa sks dog, in the sea", encoding="utf-8")
    assert prompts(pictures, subject) == ["an dog", "a dog, in the sea"]


def test_models_that_do_not_fit(folders, tmp_path):
    with pytest.raises(InputError, match="'vit'"):
        load_clip(folders["dino"])
    with pytest.raises(InputError, match="of type 'clip'"):
        load_dino(folders["clip"])
    with pytest.raises(ModelNotFound):
        load_dino("nobody/nothing")
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(InputError, match="does not load"):
        load_dino(str(tmp_path))
