"""From handlers to routes: bodies checked, work in threads, what was refused told as JSON."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from persam.app.photos import UnknownFile
from persam.errors import PersamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from persam.app.session import Session


NEVER_KEPT = {"cache-control": "no-store"}  # headers of what may be another the next moment


def reads(handler: Callable[[Session, Request], Response]) -> Callable[..., Any]:
    """Make a route of a handler that takes no body."""

    @wraps(handler)
    async def endpoint(request: Request) -> Response:
        return await answer(lambda: handler(request.app.state.session, request))

    return endpoint


def writes(
    body: type[BaseModel] | None, handler: Callable[[Session, Request, Any], Any]
) -> Callable[..., Any]:
    """Make a route of a handler that takes a body of that kind, or none."""

    @wraps(handler)
    async def endpoint(request: Request) -> Response:
        data = await request.body()
        session = request.app.state.session

        def work() -> Any:
            sent = None if body is None else body.model_validate_json(data)
            return handler(session, request, sent)

        return await answer(work)

    return endpoint


async def answer(work: Callable[[], Any]) -> Response:
    """Do the work in a thread; what was refused on purpose becomes an answer with its reason."""
    try:
        found = await run_in_threadpool(work)
    except UnknownFile as error:
        return JSONResponse({"error": str(error)}, 404)
    except ValidationError as error:
        return JSONResponse({"error": _first(error)}, 422)
    except PersamError as error:
        return JSONResponse({"error": str(error)}, 400)
    return found if isinstance(found, Response) else JSONResponse(found)


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, found["loc"])) or "the request"
    return f"{where}: {found['msg']}."
