"""Who is let in, and how far: foreign hosts and pages, other paths, floods, many at once."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_page import PHOTOS, TOKEN, open_page

from persam.app.photos import MediaFolder
from persam.app.routes import routes
from persam.app.server import Address
from persam.errors import InputError

if TYPE_CHECKING:
    from app_page import Page, Server


def ask(
    server: Server, path: str, *, method: str = "GET", body: bytes = b"", **headers: str
) -> bytes:
    """A request, letter by letter as it is given: no client puts it in order first."""
    own = f"127.0.0.1:{server.port}"
    told = {"Host": own, "Cookie": f"persam-token-{server.port}={TOKEN}", "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        told.setdefault("Content-Length", str(len(body)))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in told.items() if v)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n" + body)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_the_page_is_answered_under_its_own_name_with_its_token(live: Server):
    assert status(ask(live, "/")) == 200
    assert status(ask(live, "/", Host=f"localhost:{live.port}")) == 200


HOSTS = [
    "evil.example",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1.evil.example:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
]
ORIGINS = [
    "http://evil.example",
    "null",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:1",
    "http://127.0.0.1:{port}.evil.example",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
def test_foreign_hosts_are_refused(live: Server, host: str):
    assert status(ask(live, "/api/session", Host=host.format(port=live.port))) == 421


@pytest.mark.parametrize("origin", ORIGINS)
def test_posts_of_foreign_pages_are_refused(live: Server, origin: str):
    told = origin.format(port=live.port)
    assert (
        status(ask(live, "/api/objects", method="POST", body=b'{"name": "x"}', Origin=told)) == 403
    )


def test_foreign_pages_read_nothing(live: Server):
    assert status(ask(live, "/api/session", Origin="http://evil.example")) == 403
    assert status(ask(live, "/api/session", Sec_Fetch_Site="cross-site")) == 403
    assert status(ask(live, "/api/session", Sec_Fetch_Site="same-site")) == 403


COOKIES = ["", "persam-token-{port}=wrong", f"persam-token={TOKEN}"]


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("path", ["/", "/api/session", "/api/events", "/?token=wrong"])
def test_nothing_is_told_without_the_token(live: Server, cookie: str, path: str):
    answer = ask(live, path, Cookie=cookie.format(port=live.port))
    assert status(answer) == 403
    assert b"plush_dog" not in answer


def test_the_token_leaves_the_address_and_no_script_reads_it(live: Server):
    answer = ask(live, f"/?token={TOKEN}", Cookie="").decode("latin-1").lower()
    assert answer.startswith("http/1.1 303")
    assert re.search(r"\nset-cookie: .*httponly.*samesite=strict", answer)
    assert re.search(r"\nlocation: /\r", answer)


SPELLINGS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "..%252f..%252fetc%252fpasswd",
    "..\\..\\etc\\passwd",
    "..%5c..%5cetc%5cpasswd",
    "%c0%ae%c0%ae/etc/passwd",
    "..%c0%af..%c0%afetc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "./../../etc/passwd",
    "..;/..;/etc/passwd",
    "%00/etc/passwd",
    "..%00/etc/passwd",
    "file:///etc/passwd",
    "~root/.ssh/id_rsa",
    "..%u2215..%u2215etc/passwd",
    "main.js/../../../../../etc/passwd",
    "..%ef%bc%8f..%ef%bc%8fetc/passwd",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("before", ["/static/", "/api/photos/", "/api/exports/", "/"])
def test_no_spelling_leads_out_of_the_folders(live: Server, before: str, spelling: str):
    answer = ask(live, before + spelling + ("/picture?side=320" if "photos" in before else ""))
    assert status(answer) in (400, 403, 404, 405)
    assert b"root:" not in answer


def test_every_answer_forbids_foreign_scripts_and_frames(live: Server):
    for path in ("/", "/static/main.js", "/api/session", "/nothing"):
        head = ask(live, path).split(b"\r\n\r\n")[0].decode("latin-1").lower()
        policy = re.search(r"content-security-policy: (.*)\r", head + "\r")
        assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
        assert "frame-ancestors 'none'" in policy[1]
        assert "x-content-type-options: nosniff" in head


FORBIDDEN = r"https?://|\beval\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write"


def test_the_page_has_no_script_or_style_of_its_own_and_none_from_elsewhere():
    static = Path(__file__).parents[2] / "persam" / "app" / "static"
    page = (static / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=\"/static/)|<style|style=|\son\w+=", page)
    for file in static.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(FORBIDDEN, text), file.name


def test_large_bodies_are_cut_off_whether_they_say_their_length_or_not(live: Server):
    own = f"http://127.0.0.1:{live.port}"
    told = ask(live, "/api/objects", method="POST", Origin=own, Content_Length="99999999999")
    assert status(told) == 413
    told = ask(
        live, "/api/uploads?name=a.jpg", method="POST", Origin=own, Content_Length="200000001"
    )
    assert status(told) == 413
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    flood = ask_chunks(live, own, chunk, 20)
    assert b" 413 " in flood.split(b"\r\n")[0]


def ask_chunks(server: Server, origin: str, chunk: bytes, most: int) -> bytes:
    head = (
        f"POST /api/objects HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {origin}\r\n"
        f"Cookie: persam-token-{server.port}={TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        try:
            for _ in range(most):
                connection.sendall(chunk)
        except OSError:
            pass  # the server has heard enough
        return connection.recv(65536)


def test_a_photo_with_a_hostile_name_is_text_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "album"
    folder.mkdir()
    name = "<img src=x onerror=alert(1)>\u202egnp.jpg"
    (folder / name).write_bytes((PHOTOS / "01.jpg").read_bytes())
    page = open_page(folder, tmp_path / "run")
    (photo,) = page.client.get("/api/session").json()["photos"]
    assert photo["name"] == name
    assert page.client.get(f"/api/photos/{photo['id']}/picture?side=320").status_code == 200
    page.session.close()


def test_links_that_lead_out_are_neither_listed_nor_followed_later(tmp_path: Path):
    folder, secret = tmp_path / "album", tmp_path / "secret.jpg"
    folder.mkdir()
    secret.write_bytes((PHOTOS / "01.jpg").read_bytes())
    (folder / "out.jpg").symlink_to(secret)
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    own = folder / "own.jpg"
    own.write_bytes((PHOTOS / "02.jpg").read_bytes())
    media = MediaFolder(folder, tmp_path / "uploads")
    (photo,) = media.photos.values()
    assert photo.path == own
    own.unlink()
    own.symlink_to(secret)
    with pytest.raises(InputError, match="no such file"):
        media.photo(photo.id)


def test_other_machines_are_let_in_with_a_long_token_only():
    with pytest.raises(InputError, match="--token"):
        Address(host="0.0.0.0", token="short")  # noqa: S104, S106
    assert Address(host="0.0.0.0", token="x" * 16).host == "0.0.0.0"  # noqa: S104


def test_ten_clients_at_once_get_each_their_own_answer(page: Page):
    ids = [photo["id"] for photo in page.client.get("/api/session").json()["photos"]]
    points = [[[100 + 40 * n, 200, 1]] for n in range(10)]

    def click(number: int) -> bytes:
        body = {"drawing": {"points": points[number]}}
        answer = page.client.post(f"/api/photos/{ids[number % len(ids)]}/outline", json=body)
        assert answer.status_code == 200, answer.text
        return answer.content

    alone = [click(number) for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        together = list(pool.map(click, range(10)))
    assert together == alone


def test_every_route_is_in_the_docs_with_what_it_may_touch():
    text = (Path(__file__).parents[2] / "docs" / "app.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(/[^`]*)` \|", text, re.MULTILINE))
    assert rows == {route.path for route in routes()}


def test_the_state_is_json_and_no_pickle(page: Page):
    page.post("/api/objects", {"name": "dog"})
    assert json.loads((page.session.run / "app.json").read_bytes())["objects"][0]["name"] == "dog"
