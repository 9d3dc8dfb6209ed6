"""The server: one application, one address, until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from persam.app.routes import routes
from persam.app.security import Guard
from persam.app.session import Session
from persam.errors import InputError
from persam.models.runtime.numpy_threads import one_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from persam.app.session import AppOptions

LOCAL = "127.0.0.1"
_QUIET = {
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": 3,
    "limit_concurrency": 200,
}


@dataclass(frozen=True)
class Address:
    """Where the page is.

    Attributes:
        host: that is listened on.
        port: the same; 0 takes a free one.
        token: what the address carries; empty for a new one, which no other host may have.
    """

    host: str = LOCAL
    port: int = 0
    token: str = ""

    def __post_init__(self) -> None:
        if self.host != LOCAL and len(self.token) < 16:
            raise InputError(
                f"--host {self.host} lets other machines in, who then read your photos: give "
                f"--token with at least 16 letters, or leave --host out."
            )
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port is a number from 0 to 65535; got {self.port}.")


def create_app(session: Session, *, hosts: frozenset[str], token: str) -> Starlette:
    """Make the application of a session.

    Args:
        session: what it is about.
        hosts: ``name:port`` that it answers under.
        token: that it wants.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        session.close()

    guard = Middleware(Guard, hosts=hosts, token=token)
    app = Starlette(routes=routes(), middleware=[guard], lifespan=lifespan)
    app.state.session = session
    return app


def serve(options: AppOptions, address: Address, on_ready: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted.

    Args:
        options: what it is about.
        address: where it is.
        on_ready: called with the page's whole address, token included.

    Raises:
        InputError: a folder that cannot be used, or an address that is taken.
    """
    session = Session(options)
    token = address.token or secrets.token_urlsafe(24)
    # Without one_thread, a click beside a search would mostly wait for cores.
    with one_thread, _bound(address) as listener:
        port = listener.getsockname()[1]
        names = (LOCAL, "localhost", address.host)
        app = create_app(session, hosts=frozenset(f"{name}:{port}" for name in names), token=token)
        config = uvicorn.Config(app, **_QUIET)
        server = _Server(config, session)
        server.on_ready = lambda: on_ready(f"http://{address.host}:{port}/?token={token}")
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready, and does not wait for pages that listen to events."""

    def __init__(self, config: uvicorn.Config, session: Session) -> None:
        super().__init__(config)
        self._session = session
        self.on_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of the pages."""
        self._session.job.cancel()
        self._session.events.close()
        await super().shutdown(sockets)


def _bound(address: Address) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"{address.host}:{address.port} cannot be listened on: {error.strerror}. Choose "
            f"another --port, or 0 for a free one."
        ) from error
    return listener
