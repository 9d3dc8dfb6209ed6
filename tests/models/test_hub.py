"""Downloads against a server of the hub's manners that runs on this very machine."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from persam.errors import ModelNotFound
from persam.models import hub, registry

COMMIT = "c0ffee" * 6 + "1234"
CONFIG = b'{"model_type": "sam"}'
WEIGHTS = b"weights" * 1000


def git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Hub(BaseHTTPRequestHandler):
    """Answers ``/owner/name/resolve/revision/file`` from a dict; ``body`` may differ from it."""

    files: dict[str, bytes]
    bodies: dict[str, bytes]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        name = self.path.rsplit("/", 1)[-1]
        if "gated" in self.path:
            return self.refuse(403, "GatedRepo")
        if "missing" in self.path:
            return self.refuse(404, "RepoNotFound")
        if name not in self.files:
            return self.refuse(404, "EntryNotFound")
        content = self.files[name]
        large = name != "config.json"
        etag = hashlib.sha256(content).hexdigest() if large else git_name(content)
        self.send_response(200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(self.bodies.get(name, content))
        return None

    def refuse(self, code: int, reason: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", reason)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Hub, "files", {"config.json": CONFIG, "model.safetensors": WEIGHTS}, False)
    monkeypatch.setattr(Hub, "bodies", {}, False)
    monkeypatch.setattr(Hub, "asked", [], False)
    running = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def fetch(server: str, cache: Path, repository: str = "owner/tiny", revision: str = "") -> Path:
    return hub.fetch_repository(repository, revision, cache=cache, endpoint=server)


@pytest.mark.parametrize("revision", ["", COMMIT])
def test_downloads_once_and_then_needs_no_network(revision, server, tmp_path):
    assert registry.cached_folder("owner/tiny", revision, tmp_path) is None
    folder = fetch(server, tmp_path, revision=revision)
    assert (folder / "config.json").read_bytes() == CONFIG
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert folder.name == COMMIT
    assert all(f"/resolve/{revision or 'main'}/" in path for path in Hub.asked)
    Hub.asked.clear()
    assert fetch(server, tmp_path, revision=revision) == folder
    assert Hub.asked == []


def test_older_weights_are_taken_where_there_are_no_others(server, tmp_path):
    Hub.files["pytorch_model.bin"] = Hub.files.pop("model.safetensors")
    assert (fetch(server, tmp_path) / "pytorch_model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_is_deleted_and_said(name, server, tmp_path):
    Hub.bodies[name] = Hub.files[name][:-1] + b"!"
    with pytest.raises(ModelNotFound, match="arrived damaged"):
        fetch(server, tmp_path)
    assert registry.cached_folder("owner/tiny", "", tmp_path) is None
    Hub.bodies.clear()
    assert (fetch(server, tmp_path) / name).read_bytes() == Hub.files[name]


def test_weights_that_rotted_in_the_cache_are_named_and_left(server, tmp_path):
    weights = fetch(server, tmp_path) / "model.safetensors"
    blob = weights.resolve()
    blob.write_bytes(WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]))
    with pytest.raises(ModelNotFound, match="has been damaged since it was downloaded"):
        fetch(server, tmp_path)
    assert blob.exists()


@pytest.mark.parametrize(
    ("repository", "message"),
    [("owner/gated", "is gated: ask for access"), ("owner/missing", "could not be downloaded")],
)
def test_refusals_are_told_apart(repository, message, server, tmp_path):
    with pytest.raises(ModelNotFound, match=message):
        fetch(server, tmp_path, repository)


def test_a_repository_without_weights(server, tmp_path):
    del Hub.files["model.safetensors"]
    with pytest.raises(ModelNotFound, match=r"has none of model\.safetensors"):
        fetch(server, tmp_path)


def test_no_server_is_said_without_retrying(tmp_path):
    with pytest.raises(ModelNotFound, match="Two ways on"):
        fetch("http://127.0.0.1:9", tmp_path)


def entry(server: str, content: bytes = WEIGHTS) -> registry.ModelEntry:
    return registry.ModelEntry(
        "one-file",
        "MobileSAM",
        url=f"{server}/model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
    )


def test_a_file_from_elsewhere_is_kept_and_verified(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    with pytest.raises(ModelNotFound, match="arrived damaged"):
        hub.fetch_file(entry(server, b"something else"))
    assert list((tmp_path / "persam").iterdir()) == []
    known = entry(server)
    assert not registry.on_this_machine(known)
    assert hub.fetch_file(known).read_bytes() == WEIGHTS
    assert registry.on_this_machine(known)
    Hub.asked.clear()
    kept = hub.fetch_file(known)
    assert Hub.asked == []
    kept.write_bytes(b"rotten")
    with pytest.raises(ModelNotFound, match="has been damaged since it was downloaded"):
        hub.fetch_file(known)
    assert kept.read_bytes() == b"rotten"


def test_a_file_from_elsewhere_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    with pytest.raises(ModelNotFound, match="could not be downloaded"):
        hub.fetch_file(entry("http://127.0.0.1:9"))
    assert list((tmp_path / "persam").iterdir()) == []
