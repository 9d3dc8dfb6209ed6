"""Downloads of models: pinned, verified, and quick to say when there is no network."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import ModelNotFound, first_line
from persam.models.registry import WEIGHTS, cached_folder, file_on_this_machine

if TYPE_CHECKING:
    from persam.models.registry import ModelEntry

TIMEOUT = 8.0  # seconds for the first answer; the hub's own retries would take half a minute
WAYS_ON = (
    'Two ways on: another model (the built-in "pocket" needs no download; `persam models` lists '
    "all), or a model file or folder on this machine, given by its path."
)


def fetch_repository(
    repository: str,
    revision: str = "",
    *,
    cache: Path | None = None,
    endpoint: str | None = None,
) -> Path:
    """Give the folder of a hub model, downloading and verifying it where it is not here yet.

    What is in the cache is taken as it is, so a name without a revision stays at the commit of
    its first download.

    Args:
        repository: ``owner/name``.
        revision: commit or branch; empty for the newest at the first download.
        cache: folder of the downloads; None for Hugging Face's own (``HF_HOME``).
        endpoint: address of the hub; None for Hugging Face's own (``HF_ENDPOINT``).

    Raises:
        ModelNotFound: neither here nor downloadable, or damaged on the way; says which.
    """
    from huggingface_hub import constants, errors

    folder = cached_folder(repository, revision, cache)
    if folder is not None:
        _check_cached(folder)
        return folder
    tried = f"{repository}{f' at revision {revision}' if revision else ''}"
    if constants.is_offline_mode():
        raise ModelNotFound(
            f"{tried} is not in the cache {cache or constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE "
            f"forbids to download it. {WAYS_ON}"
        )
    place = _Place(repository, revision or None, cache, endpoint)
    try:
        config = place.get("config.json")
        if not any(place.has(name) for name in WEIGHTS):
            raise ModelNotFound(f"{tried} has none of {', '.join(WEIGHTS)}. {WAYS_ON}")
    except errors.GatedRepoError as error:
        raise ModelNotFound(
            f"{tried} is gated: ask for access on https://huggingface.co/{repository}, then log "
            f"in with `hf auth login`. {WAYS_ON}"
        ) from error
    # HTTPError is the one of the HTTP client that the hub's version happens to use.
    except (errors.HTTPError, errors.HFValidationError, OSError) as error:  # pyright: ignore
        raise ModelNotFound(
            f"{tried} is not on this machine and could not be downloaded "
            f"({first_line(error)}). {WAYS_ON}"
        ) from error
    return config.parent


def fetch_file(entry: ModelEntry) -> Path:
    """Give the file of a model from outside the hub, downloading and verifying it once.

    Raises:
        ModelNotFound: neither here nor downloadable, or not the file that the catalogue knows.
    """
    from huggingface_hub import constants

    target = file_on_this_machine(entry)
    if target.is_file():
        _check_kept(target, entry.sha256)
        return target
    if constants.is_offline_mode():
        raise ModelNotFound(
            f"{entry.name} is not at {target}, and HF_HUB_OFFLINE forbids to download {entry.url}."
            f" {WAYS_ON}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        _copy(entry.url, partial)
        _check(partial, entry.sha256, entry.name)
        partial.replace(target)
    except OSError as error:
        raise ModelNotFound(
            f"{entry.name} is not on this machine and {entry.url} could not be downloaded "
            f"({first_line(error)}). {WAYS_ON}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


class _Place:
    """One revision of one repository, seen file by file."""

    def __init__(
        self, repository: str, revision: str | None, cache: Path | None, endpoint: str | None
    ) -> None:
        self.repository = repository
        self.revision = revision
        self.cache = cache
        self.endpoint = endpoint

    def get(self, name: str) -> Path:
        """Download and verify one file."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

        url = hf_hub_url(self.repository, name, revision=self.revision, endpoint=self.endpoint)
        # Asked for first because, unlike the download, this does not retry without a network.
        expected = get_hf_file_metadata(url, timeout=TIMEOUT, endpoint=self.endpoint).etag or ""
        path = hf_hub_download(
            self.repository,
            name,
            revision=self.revision,
            cache_dir=self.cache,
            endpoint=self.endpoint,
            etag_timeout=TIMEOUT,
        )
        _check(Path(path), expected, f"{self.repository}/{name}")
        return Path(path)

    def has(self, name: str) -> bool:
        """Download and verify one file if the repository has it."""
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            self.get(name)
        except RemoteEntryNotFoundError:
            return False
        return True


def _check_cached(folder: Path) -> None:
    """Compare weights in the cache with the digest that the cache names them by, where it does."""
    for name in WEIGHTS:
        blob = Path(os.path.realpath(folder / name))
        if blob.is_file() and blob.name != name and re.fullmatch(r"[0-9a-f]{64}", blob.name):
            _check_kept(blob, blob.name)


def _check(path: Path, expected: str, what: str) -> None:
    """Compare a download with the hash it was announced by: sha256, or git's for small files."""
    if len(expected) not in (40, 64):
        raise ModelNotFound(f"The server announced no checksum of {what}. {WAYS_ON}")
    found = _digest(path, git=len(expected) == 40)
    if found != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise ModelNotFound(
            f"{what} arrived damaged: its checksum is {found} instead of {expected}. It was "
            f"deleted; try again. {WAYS_ON}"
        )


def _check_kept(path: Path, expected: str) -> None:
    """Compare a file that was downloaded earlier; another program may own it, so it stays."""
    if _digest(path) != expected:
        raise ModelNotFound(
            f"{path} has been damaged since it was downloaded: its SHA-256 is not {expected}. "
            f"Delete it; it is downloaded again then. {WAYS_ON}"
        )


def _digest(path: Path, *, git: bool = False) -> str:
    digest = hashlib.sha256()
    if git:
        # Git's own name of a file, not a guard against forgery: that is the commit's work.
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _copy(url: str, target: Path) -> None:
    with _open(url) as answer, target.open("wb") as stream:
        while chunk := answer.read(1 << 20):
            stream.write(chunk)


def _open(url: str) -> Any:
    if not url.startswith(("https://", "http://")):
        raise ModelNotFound(f"{url} is no web address; check HF_ENDPOINT. {WAYS_ON}")
    return urllib.request.urlopen(url, timeout=TIMEOUT)  # noqa: S310 - checked above
