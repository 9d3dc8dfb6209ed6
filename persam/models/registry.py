"""The models that are known by name: one literal table, and nothing that loads them.

Revisions are commits of the model's repository, so the bytes behind a name never change. Where no
commit is given, the newest one is taken at the first download and kept from then on.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

POCKET = "pocket"
POCKET_STABLE = "pocket-stable"  # the Stable-SAM plugin that comes with the package
APACHE = "Apache-2.0"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
POCKET_FILE = Path(__file__).resolve().parent.parent / "weights" / "pocket.safetensors"


@dataclass(frozen=True)
class ModelEntry:
    """One model that can be named.

    Attributes:
        name: the short name.
        family: which architecture, and so which adapter.
        repository: ``owner/name`` on the Hugging Face hub; empty for models that live elsewhere.
        revision: commit of the repository; empty to keep whichever is downloaded first.
        parameters: of the published file, in millions; 0 where it is not known.
        licence: of the weights.
        url: of the one file, for models outside the hub.
        sha256: of that file.
        gated: the owner grants access on request.
        channels: of the mask decoder.
    """

    name: str
    family: str
    repository: str = ""
    revision: str = ""
    parameters: float = 0.0
    licence: str = APACHE
    url: str = ""
    sha256: str = ""
    gated: bool = False
    channels: int = 256

    @property
    def plugin_parameters(self) -> int:
        """How many parameters a Stable-SAM plugin for this model has, with the default options.

        Example:
            >>> ModelEntry("any", "SAM").plugin_parameters
            77909
        """
        # 1x1 convolution, 5x5 depthwise one, LayerNorm, 3 channels; 16 hidden units, LayerNorm, 2
        c = self.channels
        return (c * c + c) + 26 * c + 2 * c + 3 * (c + 1) + 16 * (c + 1) + 32 + 34

    @property
    def source(self) -> str:
        """Web address of the model, or where else it comes from."""
        if self.repository:
            return f"https://huggingface.co/{self.repository}"
        return self.url or "part of persam"


MOBILE_SAM_URL = (
    "https://github.com/ChaoningZhang/MobileSAM/raw/"
    "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt"
)
MOBILE_SAM_SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"

# fmt: off
CATALOG = (
    ModelEntry(POCKET, "pocket", parameters=7.9, channels=128),
    ModelEntry("sam-vit-base", "SAM", "facebook/sam-vit-base",
          "70c1a07f894ebb5b307fd9eaaee97b9dfc16068f", 93.7),
    ModelEntry("sam-vit-large", "SAM", "facebook/sam-vit-large",
          "6851e0441005b0fb96f2cc4dfac472f3d1b14af1", 312.3),
    ModelEntry("sam-vit-huge", "SAM", "facebook/sam-vit-huge",
          "87aecf0df4ce6b30cd7de76e87673c49644bdf67", 641.1),
    ModelEntry("sam-hq-vit-base", "SAM-HQ", "syscv-community/sam-hq-vit-base", "", 94.8),
    ModelEntry("sam-hq-vit-large", "SAM-HQ", "syscv-community/sam-hq-vit-large", "", 313.7),
    ModelEntry("sam-hq-vit-huge", "SAM-HQ", "syscv-community/sam-hq-vit-huge",
          "9d9d53502fbf666297e7eb3804f64137f930055e", 642.7),
    ModelEntry("sam2.1-hiera-tiny", "SAM 2", "facebook/sam2.1-hiera-tiny",
          "de431c4043854a71d8101e17995dfe596bf101a5", 38.9),
    ModelEntry("sam2.1-hiera-small", "SAM 2", "facebook/sam2.1-hiera-small",
          "ee5bba1d82bb8749febdf90f45e84b687142ba03", 46.0),
    ModelEntry("sam2.1-hiera-base-plus", "SAM 2", "facebook/sam2.1-hiera-base-plus",
          "b7320756a13354e7530a63935656d35b2f91a290", 80.8),
    ModelEntry("sam2.1-hiera-large", "SAM 2", "facebook/sam2.1-hiera-large",
          "665f8e2ad61cf5f53d65644ff27c8ee525124610", 224.4),
    ModelEntry("sam2-hiera-tiny", "SAM 2", "facebook/sam2-hiera-tiny",
          "7c218beaf0bb87874785f32b582f640134fc1c09", 38.9),
    ModelEntry("sam2-hiera-large", "SAM 2", "facebook/sam2-hiera-large",
          "e6a8e8809b8f1bfa2238b6d080f3d05cc76bd251", 224.4),
    ModelEntry("sam3", "SAM 3 tracker", "facebook/sam3",
          "3c879f39826c281e95690f02c7821c4de09afae7", 848.0, "SAM License", gated=True),
    ModelEntry("edgetam", "EdgeTAM", "yonigozlan/EdgeTAM-hf",
          "c266ce53b3fc00f0f495b583f6a116c4e57f53bb", 13.9),
    ModelEntry("mobile-sam", "MobileSAM", parameters=9.8,
          url=MOBILE_SAM_URL, sha256=MOBILE_SAM_SHA256),
    ModelEntry("slimsam-50", "SAM", "Zigeng/SlimSAM-uniform-50",
          "590f68b2abe3d19764812e7d662feb6b45ce4d58", 28.0),
    ModelEntry("slimsam-77", "SAM", "Zigeng/SlimSAM-uniform-77",
          "9e72a1bc79fa17f1f4e239003f0d84170c96464d", 9.7),
    ModelEntry("medsam-vit-base", "SAM", "wanglab/medsam-vit-base",
          "de8488bca37bb1d4fb190f612c516126d739ce3b", 93.7),
)
# fmt: on


def find(name: str) -> ModelEntry | None:
    """Look a model up by its short name or its hub id, whatever the case.

    Example:
        >>> find("facebook/sam-vit-huge").name
        'sam-vit-huge'
    """
    wanted = name.lower()
    return next((e for e in CATALOG if wanted in (e.name, e.repository.lower())), None)


def plugin_file(path: str | Path) -> Path:
    """Where a Stable-SAM plugin lies: the packaged one by its name, any other by its path."""
    if path == POCKET_STABLE:
        return POCKET_FILE.with_name(f"{POCKET_STABLE}.safetensors")
    return Path(path).expanduser()


def on_this_machine(entry: ModelEntry) -> bool:
    """Tell whether loading this model needs no network."""
    if entry.name == POCKET:
        return POCKET_FILE.is_file()
    if importlib.util.find_spec("huggingface_hub") is None:  # it comes with persam[torch]
        return False
    if entry.url:
        return file_on_this_machine(entry).is_file()
    return cached_folder(entry.repository, entry.revision) is not None


def file_on_this_machine(entry: ModelEntry) -> Path:
    """Give the place where a file from outside the hub is kept, there or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "persam" / entry.url.rsplit("/", 1)[-1]


def cached_folder(repository: str, revision: str = "", cache: Path | None = None) -> Path | None:
    """Find a complete download in the Hugging Face cache, without a network.

    Args:
        repository: ``owner/name``.
        revision: a commit or branch; empty for the one that is there.
        cache: the cache's folder; None for Hugging Face's own choice.

    Returns:
        The folder with ``config.json`` and weights, or None.
    """
    from huggingface_hub import try_to_load_from_cache

    def look(name: str) -> Path | None:
        found = try_to_load_from_cache(repository, name, cache, revision or None)
        return Path(found) if isinstance(found, str) else None

    config = look("config.json")
    complete = config is not None and any(look(name) for name in WEIGHTS)
    return config.parent if config is not None and complete else None
