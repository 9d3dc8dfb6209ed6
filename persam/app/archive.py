"""A folder that was taken away as one zip file, made while it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote
from zipfile import ZipFile, ZipInfo

from starlette.responses import JSONResponse, Response, StreamingResponse

from persam.app.handlers import NEVER_KEPT
from persam.app.photos import UnknownFile
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from persam.app.session import Session

EXPORTS = "exports"  # folder in the run's that holds a folder for each time
_PIECE = 1 << 20  # bytes that are sent at once


def exports(session: Session, _request: Request) -> Response:
    """Names of the folders that were taken away, the latest first."""
    return JSONResponse({"names": list(_folders(session))}, headers=NEVER_KEPT)


def download(session: Session, request: Request) -> Response:
    """A folder that was taken away as one zip file.

    Raises:
        UnknownFile: there is none of that name.
        InputError: a folder is being written now.
    """
    folder = _folders(session).get(request.path_params["name"])
    if folder is None:
        raise UnknownFile("There is no such folder in exports. Reload the page.")
    if session.job.running and session.job.progress.job == "Writing":
        raise InputError("The folder is still being written. Wait until it is done.")
    told = f"attachment; filename*=UTF-8''{quote(folder.name)}.zip"
    headers = {**NEVER_KEPT, "content-disposition": told}
    return StreamingResponse(zipped(folder), media_type="application/zip", headers=headers)


def zipped(folder: Path) -> Iterator[bytes]:
    """The bytes of a zip file of a folder, a few at a time; pictures are packed already.

    Args:
        folder: what is packed, without links.

    Raises:
        OSError: a file cannot be read.
    """
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            entry = ZipInfo.from_file(path, path.relative_to(folder), strict_timestamps=False)
            with path.open("rb") as file, archive.open(entry, "w") as packed:
                while piece := file.read(_PIECE):
                    packed.write(piece)
                    yield sink.take()
    yield sink.take()


class _Sink:
    """Takes what the archive writes, and hands it on; no zip file lies on the disk."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """What was written stays to be taken."""

    def take(self) -> bytes:
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


def _folders(session: Session) -> dict[str, Path]:
    """Folders in ``exports`` by name, the latest first; links are none."""
    parent = session.run / EXPORTS
    if not parent.is_dir():
        return {}
    found = [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]
    found.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return {path.name: path for path in found}
