from __future__ import annotations

import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import parity
import pytest
import tiny
import torch
from safetensors.torch import save_file

from persam.errors import InputError, MissingExtra, ModelNotFound
from persam.models import registry
from persam.models.loading import PRECISIONS, choose_device, choose_precision, load
from persam.structures import Prompts

PICTURE = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
POINT = Prompts(points=np.array([[20, 30]]), labels=np.array([1]))


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("official") / "sam.pth"
    torch.save(parity.state("vit"), path)
    return path


def same_answers(one, two) -> None:
    mine, theirs = one.encode(PICTURE), two.encode(PICTURE)
    same(mine.features, theirs.features)
    same(one.decode(mine, POINT).logits, two.decode(theirs, POINT).logits)


def same(one: np.ndarray, two: np.ndarray) -> None:
    # Equal weights at another address may be summed in another order.
    assert np.abs(one - two).max() <= 1e-4 * np.abs(two).max()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_saved_folder_answers_as_before(family, tmp_path):
    if reason := tiny.missing(family):
        pytest.skip(reason)
    before = tiny.build(family)
    before.model.save_pretrained(tmp_path)
    after = load(tmp_path, device="cpu")
    assert after.name == str(tmp_path)
    assert after.device == "cpu"
    same_answers(before, after)


def test_folder_may_be_named_by_a_string_and_lie_at_a_relative_path(tmp_path, monkeypatch):
    tiny.build("sam").model.save_pretrained(tmp_path / "mine" / "model")
    monkeypatch.chdir(tmp_path)
    assert load("mine/model", device="cpu").name == "mine/model"


def _named(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"model": s},
        lambda s: {"state_dict": _named(s, "model."), "epoch": 3},
        lambda s: {"model_state": _named(s, "sam.")},
        lambda s: s | {"decoder_state": {"out_conv.weight": torch.zeros(1)}},  # micro-sam's export
        lambda s: _named(s, "module."),
        lambda s: s | {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)},
    ],
)
def test_official_pth_loads(wrap, tmp_path):
    path = tmp_path / "sam.pth"
    torch.save(wrap(parity.state("vit")), path)
    sam = load(path, device="cpu")
    assert sam.square == 256
    assert sam.encode(PICTURE).features.shape == (1, 32, 16, 16)


def test_safetensors_and_pth_of_the_same_tensors_answer_alike(official, tmp_path):
    save_file(parity.state("vit"), tmp_path / "sam.safetensors")
    same_answers(load(official, device="cpu"), load(tmp_path / "sam.safetensors", device="cpu"))


def test_mobile_sam_pt_loads(tmp_path):
    torch.save(parity.state("tinyvit"), tmp_path / "mobile_sam.pt")
    sam = load(tmp_path / "mobile_sam.pt", device="cpu")
    assert sam.square == 1024


def test_pocket_file_loads(tmp_path):
    from persam.models.pocket.network import PocketModel

    weights = {name: t.contiguous() for name, t in PocketModel().state_dict().items()}
    save_file(weights, tmp_path / "mine.safetensors")
    assert load(tmp_path / "mine.safetensors", device="cpu").name == str(
        tmp_path / "mine.safetensors"
    )


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("where", ["model.pth", "folder/pytorch_model.bin"])
def test_a_pickle_with_code_in_it_is_refused_and_never_run(where, tmp_path):
    path, proof = tmp_path / where, tmp_path / "exploded"
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".bin":
        tiny.build("sam").model.config.save_pretrained(path.parent)
    torch.save({"image_encoder.x": Bomb(proof)}, path)
    with pytest.raises(InputError):
        load(path if path.suffix == ".pth" else path.parent, device="cpu")
    assert not proof.exists()


def test_a_bare_pickle_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match=r"model\.pt"):
        load(tmp_path / "model.pt", device="cpu")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"this is no model", bytes(2000)])
def test_garbage_is_one_clear_error(suffix, content, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as tensors alone"):
        load(path, device="cpu")


def test_other_tensors_are_named(tmp_path):
    torch.save({"layer1.conv.weight": torch.zeros(2)}, tmp_path / "resnet.pth")
    with pytest.raises(InputError, match=r"layer1\.conv\.weight"):
        load(tmp_path / "resnet.pth", device="cpu")


def test_a_file_that_grows_on_unpacking_is_refused(tmp_path):
    torch.save({"a": torch.zeros(4_000_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    with pytest.raises(InputError, match="unpacks to 16,"):
        load(tmp_path / "bomb.pth")


def test_the_older_format_of_torch_files_loads(tmp_path):
    torch.save(parity.state("vit"), tmp_path / "sam.pth", _use_new_zipfile_serialization=False)
    assert load(tmp_path / "sam.pth", device="cpu").square == 256


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 3}, torch.zeros(3)])
def test_files_without_named_tensors_are_refused(content, tmp_path):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(InputError, match="not named tensors"):
        load(tmp_path / "odd.pth", device="cpu")


def test_a_picture_is_no_model(tmp_path):
    (tmp_path / "dog.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="no model file by its name"):
        load(tmp_path / "dog.jpg", device="cpu")


def test_folder_without_config(tmp_path):
    with pytest.raises(InputError, match=r"it has no config\.json"):
        load(tmp_path, device="cpu")


@pytest.mark.parametrize("config", ["{", "[]", '{"model_type": "bert"}'])
def test_folder_of_another_kind(config, tmp_path):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=r"config\.json|holds a model of type"):
        load(tmp_path, device="cpu")


def test_folder_without_weights(tmp_path):
    tiny.build("sam").model.config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="does not load as SamModel"):
        load(tmp_path, device="cpu")


def test_folder_with_missing_tensors_is_refused_rather_than_filled_with_noise(tmp_path):
    model = tiny.build("sam").model
    kept = {n: t for n, t in model.state_dict().items() if n != "mask_decoder.iou_token.weight"}
    model.save_pretrained(tmp_path, state_dict=kept)
    with pytest.raises(InputError, match=r"mask_decoder\.iou_token\.weight"):
        load(tmp_path, device="cpu")


def test_folder_whose_config_does_not_match_its_weights(tmp_path):
    tiny.build("sam").model.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"mlp_dim": 24', '"mlp_dim": 40'))
    with pytest.raises(InputError):
        load(tmp_path, device="cpu")


def test_edgetam_without_its_packages_says_what_to_install(tmp_path):
    if not tiny.missing("edgetam"):
        pytest.skip("timm and torchvision are installed")
    (tmp_path / "config.json").write_text('{"model_type": "edgetam"}')
    with pytest.raises(MissingExtra, match="edgetam"):
        load(tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["no-such-model", "pockett", "gone.pth", "/nowhere/model"])
def test_unknown_names_say_what_was_tried_and_the_ways_on(name):
    with pytest.raises(ModelNotFound, match="Two ways on") as caught:
        load(name)
    assert name in str(caught.value)
    assert "pocket" in str(caught.value)


def test_a_path_is_never_taken_for_a_name():
    with pytest.raises(ModelNotFound):
        load(Path("pocket"))


def test_a_slip_is_corrected():
    with pytest.raises(ModelNotFound, match="Did you mean sam-vit-huge"):
        load("sam-vit-hugo")


@pytest.mark.parametrize("name", ["sam-vit-base", "someone/some-sam", "mobile-sam"])
def test_offline_is_answered_at_once_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    with pytest.raises(ModelNotFound, match="HF_HUB_OFFLINE") as caught:
        load(name)
    message = str(caught.value)
    assert name in message
    assert "Two ways on" in message
    assert len(message.splitlines()) == 1


def test_importing_the_loader_is_light():
    code = "import sys, persam.models.loading, persam.cli.models; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "cpu:1"])
def test_devices_that_are_not_there_are_named(device):
    with pytest.raises(InputError, match=r"this machine has cpu"):
        choose_device(device)


def test_cuda_without_cuda(official):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(InputError, match="'cuda' is not there"):
        load(official, device="cuda")


def test_auto_takes_what_is_there():
    expected = "cuda" if torch.cuda.is_available() else None
    if torch.backends.mps.is_available():
        expected = expected or "mps"
    assert choose_device("auto").type == (expected or "cpu")


def test_precisions():
    cpu = torch.device("cpu")
    chosen = [choose_precision(name, cpu) for name in PRECISIONS]
    assert chosen == [torch.float32, torch.float32, torch.bfloat16, torch.float16]
    with pytest.raises(InputError, match="got 'fp8'"):
        choose_precision("fp8", cpu)


def test_precision_reaches_the_encoder(tmp_path):
    tiny.build("sam").model.save_pretrained(tmp_path)
    exact, rough = (load(tmp_path, device="cpu", precision=p) for p in ("fp32", "bf16"))
    wanted, found = exact.encode(PICTURE).features, rough.encode(PICTURE).features
    assert found.dtype == np.float32
    assert 0 < np.abs(wanted - found).max() < 0.1 * np.abs(wanted).max()


def test_catalogue_entries_are_whole():
    names = [entry.name for entry in registry.CATALOG]
    assert len(set(names)) == len(names)
    for entry in registry.CATALOG:
        assert registry.find(entry.name) is entry
        assert len(entry.revision) in (0, 40)
        assert not entry.url or len(entry.sha256) == 64
        assert not (entry.url and entry.repository)
        if entry.repository:
            assert registry.find(entry.repository.upper()) is entry


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vit_b", "Did you mean sam-vit-base?"),
        ("vit_h", "Did you mean sam-vit-huge?"),
        ("sam_vit_b_01ec64.pth", "Did you mean sam-vit-base?"),
        ("sam_vit_h_4b8939", "Did you mean sam-vit-huge?"),
        ("sam2", "Did you mean sam2.1-hiera-small?"),
        ("SAM2_hiera_large.pt", "Did you mean sam2-hiera-large?"),
        ("sam2.1_hiera_tiny.pt", "Did you mean sam2.1-hiera-tiny?"),
        ("mobile_sam.pt", "Did you mean mobile-sam?"),
        ("poket", "Did you mean pocket?"),
        ("sam-2", "Did you mean sam2.1-hiera-small?"),
        ("edgetam.pt", "Did you mean edgetam?"),
        ("seggpt", "--method seggpt"),
        ("insid3", "--method insid3"),
        ("FastSAM-x.pt", "does not run here"),
        ("dinov2_vitl14_pretrain.pth", "--match-with facebook/dinov2-large"),
        ("dinov2", "--match-with facebook/dinov2-small"),
        ("dinov3", "--match-with facebook/dinov3-vits16-pretrain-lvd1689m"),
    ],
)
def test_names_that_people_type_are_answered(typed, meant):
    with pytest.raises(ModelNotFound) as raised:
        load(typed, device="cpu")
    assert meant in str(raised.value)


def test_what_is_suggested_exists():
    from persam.models import registry, suggestions

    assert set(suggestions.ALIASES.values()) <= {entry.name for entry in registry.CATALOG}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("image_encoder.trunk.patch_embed.proj.weight", "looks like an official SAM 2 checkpoint"),
        ("vision_encoder.layers.0.attn.qkv.weight", "the tensors of a transformers model"),
        ("cls_token", "a plain vision transformer without a mask decoder"),
        ("sampling.project.weight", "a Stable-SAM plugin"),
        ("somebody.s.weight", "its tensors are called somebody.s.weight, ... Files need"),
    ],
)
def test_checkpoints_of_another_layout_say_what_they_look_like(tmp_path, name, said):
    torch.save({name: torch.zeros(1, 2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=re.escape(said)):
        load(tmp_path / "other.pth", device="cpu")
