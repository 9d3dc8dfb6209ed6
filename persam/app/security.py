"""Who may ask the page's server for anything: its own page, on this machine, with the token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "persam-token"
MOST_BYTES = 16_000_000  # of a request, but for uploads
MOST_UPLOAD = 200_000_000
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; media-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class TooLarge(Exception):
    """A request with more bytes than it may have."""


class Guard:
    """Middleware that refuses foreign hosts and pages, requests without the token, and floods.

    A page elsewhere that has its name point to 127.0.0.1 is refused by its ``Host``, one that
    posts here by its ``Origin``, and other users of the machine for want of the token.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], token: str) -> None:
        """Guard an application.

        Args:
            app: what is guarded.
            hosts: ``name:port`` that the page may be asked for under.
            token: what the address carries the first time, and a cookie from then on.
        """
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        most = MOST_UPLOAD if scope["path"] == "/api/uploads" else MOST_BYTES
        try:
            _check_length(headers.get("content-length"), most)
            await self.app(scope, _bounded(receive, most), _with_headers(send))
        except TooLarge:
            answer = PlainTextResponse(f"At most {most // 1_000_000} MB at once.", 413)
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> ASGIApp | None:
        if headers.get("host", "").lower() not in self.hosts:
            return PlainTextResponse("This server answers under its own address alone.", 421)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        own = origin is not None and origin.lower().removeprefix("http://") in self.hosts
        writes = scope["method"] not in ("GET", "HEAD")
        if (origin is not None and not own) or (writes and not own):
            return PlainTextResponse("This request comes from another page.", 403)
        if site not in ("same-origin", "none") and (scope["path"] != "/" or writes):
            return PlainTextResponse("This request comes from another page.", 403)
        return self._without_token(scope, headers)

    def _without_token(self, scope: Scope, headers: dict[str, str]) -> ASGIApp | None:
        path = scope["path"]
        if path.startswith("/static/"):
            return None
        given = _query(scope).get("token", "")
        if path == "/" and given and hmac.compare_digest(given.encode(), self.token.encode()):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie(headers), self.token, httponly=True, samesite="strict")
            return answer
        kept = _cookies(headers.get("cookie", "")).get(self._cookie(headers), "")
        if hmac.compare_digest(kept.encode(), self.token.encode()):
            return None
        return PlainTextResponse(
            "This page needs the address that `persam app` printed, with its token. If the server "
            "was started again since, take the new one.",
            403,
        )

    @staticmethod
    def _cookie(headers: dict[str, str]) -> str:
        # Cookies know no ports: two servers on one machine must not take each other's away.
        return f"{COOKIE}-{headers.get('host', '').rpartition(':')[2]}"


def _check_length(length: str | None, most: int) -> None:
    if length is not None and (not length.isdecimal() or int(length) > most):
        raise TooLarge


def _bounded(receive: Receive, most: int) -> Receive:
    """Take a body whose length nobody said, but no more of it than may be."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise TooLarge
        return message

    return receive_some


def _with_headers(send: Send) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return send_more


def _query(scope: Scope) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}
