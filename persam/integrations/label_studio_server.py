"""The HTTP side of Label Studio's ML backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from persam.errors import InputError
from persam.integrations.label_studio_interface import LabelInterface
from persam.io.labels.fields import as_list, as_mapping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from persam.integrations.label_studio import LabelBackend

    Answer = Callable[[dict[str, Any]], dict[str, Any]]

LARGEST = 100_000_000  # bytes of a request, of which brushes take most


def create_backend_app(backend: LabelBackend) -> Starlette:
    """Make the application that Label Studio is told the address of."""

    def health(_: dict[str, Any]) -> dict[str, Any]:
        return {"status": "UP", "model_class": "persam"}

    def setup(body: dict[str, Any]) -> dict[str, Any]:
        LabelInterface.of(str(body.get("schema") or body.get("label_config") or ""))
        return {"model_version": backend.version}

    def predict(body: dict[str, Any]) -> dict[str, Any]:
        tasks = as_list(body.get("tasks"), "the tasks")
        params = body.get("params")
        context = params.get("context") if isinstance(params, dict) else None
        config = str(body.get("label_config") or "")
        shown = as_mapping(context, "the context") if context else None
        return {"results": backend.predict(tasks, config, shown), "model_version": backend.version}

    def webhook(body: dict[str, Any]) -> dict[str, Any]:
        return {"status": "ok", "learnt": backend.learn(body), "model_version": backend.version}

    def train(_: dict[str, Any]) -> dict[str, Any]:
        # Everything is learnt as it is labelled, so that nothing is left to do.
        return {"status": "ok", "model_version": backend.version}

    return Starlette(
        routes=[
            Route("/", _handler(health), methods=["GET"]),
            Route("/health", _handler(health), methods=["GET"]),
            Route("/setup", _handler(setup), methods=["POST"]),
            Route("/predict", _handler(predict), methods=["POST"]),
            Route("/webhook", _handler(webhook), methods=["POST"]),
            Route("/train", _handler(train), methods=["POST"]),
            Route(
                "/versions", _handler(lambda _: {"versions": [backend.version]}), methods=["GET"]
            ),
        ]
    )


def _handler(answer: Answer) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Answer JSON with JSON; what cannot be used is 400 with one clear line."""

    async def handle(request: Request) -> JSONResponse:
        try:
            body = await _body(request)
            return JSONResponse(await run_in_threadpool(answer, body))
        except InputError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return handle


async def _body(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return {}
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > LARGEST:
            raise InputError(f"The request has more than {LARGEST:,} bytes.")
    try:
        return as_mapping(json.loads(bytes(data) or b"{}"), "the request")
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The request is not JSON: {error}.") from error
