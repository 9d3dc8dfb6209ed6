"""What the page may ask for: a row a route, each one call of the rooms below.

Routes that begin with ``/api`` answer JSON, or a picture. Handlers that wait for the model or the
disk run in threads, so that the server answers others meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from persam.app import album, archive, bodies, clicking, export, hand_masks, tracking
from persam.app.commands import command_lines
from persam.app.export_files import ExportOptions
from persam.app.handlers import NEVER_KEPT, answer, reads, writes
from persam.app.objects import as_json
from persam.app.overview import session_json
from persam.app.prior_picture import confidence_png
from persam.app.renditions import MASK_SIDE, SIDES, fitted, grey_png, label_png
from persam.app.uploads import take_upload
from persam.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

    from persam.app.photos import MediaFile
    from persam.app.session import Session

STATIC = resources.files("persam.app") / "static"
_LONG = {"cache-control": "private, max-age=31536000, immutable"}


def routes() -> list[Route | Mount]:
    """All routes; ``docs/app.md`` says what each may touch, and a test compares."""
    return [
        Route("/", page),
        Mount("/static", StaticFiles(directory=str(STATIC))),
        Route("/api/session", reads(whole_session)),
        Route("/api/events", events),
        Route("/api/commands", reads(commands)),
        Route("/api/objects", writes(bodies.ObjectBody, add_object), methods=["POST"]),
        Route("/api/objects/{name}", reads(remove_object), methods=["DELETE"]),
        Route("/api/slider", writes(bodies.SliderBody, set_slider), methods=["POST"]),
        Route("/api/find", writes(bodies.FindBody, find), methods=["POST"]),
        Route("/api/cancel", writes(None, cancel), methods=["POST"]),
        Route("/api/export", writes(bodies.ExportBody, take_away), methods=["POST"]),
        Route("/api/exports", reads(archive.exports)),
        Route("/api/exports/{name}", reads(archive.download)),
        Route("/api/clips/{id}", reads(clip)),
        Route("/api/clips/{id}/open", writes(None, open_clip), methods=["POST"]),
        Route("/api/clips/{id}/track", writes(bodies.TrackBody, track_clip), methods=["POST"]),
        Route("/api/uploads", upload, methods=["POST"]),
        Route("/api/photos/{id}/picture", reads(picture)),
        Route("/api/photos/{id}/labels", reads(labels)),
        Route("/api/photos/{id}/confidence", reads(confidence)),
        Route("/api/photos/{id}/open", writes(None, open_photo), methods=["POST"]),
        Route("/api/photos/{id}/outline", writes(bodies.OutlineBody, outline), methods=["POST"]),
        Route("/api/photos/{id}/mask", writes(bodies.MaskBody, keep_mask), methods=["POST"]),
        Route("/api/photos/{id}/verdict", writes(bodies.VerdictBody, verdict), methods=["POST"]),
    ]


def page(_request: Request) -> Response:
    """The page itself."""
    return FileResponse(str(STATIC / "index.html"), headers=NEVER_KEPT)


def whole_session(session: Session, _request: Request) -> Response:
    """Everything that a page needs to begin with."""
    return JSONResponse(session_json(session), headers=NEVER_KEPT)


async def events(request: Request) -> Response:
    """What happens, as it happens."""
    told = request.app.state.session.events
    if told.full:
        return JSONResponse({"error": "Too many pages are open already. Close one."}, 503)
    stream = told.listen()
    headers = {**NEVER_KEPT, "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def commands(session: Session, _request: Request) -> Response:
    """The command lines that do the same."""
    return JSONResponse({"lines": command_lines(session)}, headers=NEVER_KEPT)


def add_object(session: Session, _request: Request, body: bodies.ObjectBody) -> Any:
    """One more object."""
    added = hand_masks.add_object(session, body.name)
    _tell_objects(session)
    return as_json(added)


def remove_object(session: Session, request: Request) -> Any:
    """One object less."""
    hand_masks.remove_object(session, request.path_params["name"])
    _tell_objects(session)
    session.tell_photos(session.paths())
    return {}


def set_slider(session: Session, _request: Request, body: bodies.SliderBody) -> Any:
    """Remember where the slider stands."""
    session.change(lambda state: replace(state, min_presence=body.min_presence))
    return {}


def find(session: Session, _request: Request, body: bodies.FindBody) -> Any:
    """Search the album, or go on; after corrections with what they taught."""
    learnt = hand_masks.learn_corrections(session) if body.improve else 0
    album.find(session)
    return {"learnt": learnt}


def cancel(session: Session, _request: Request, _body: None) -> Any:
    """Stop after the photo at hand."""
    session.job.cancel()
    return {}


def take_away(session: Session, _request: Request, body: bodies.ExportBody) -> Any:
    """Write a new folder of results."""
    products = frozenset(body.products)
    options = ExportOptions(products, body.min_presence, body.name, body.cutouts)
    return {"folder": str(export.export(session, options))}


def clip(session: Session, request: Request) -> Response:
    """A clip: its frames, what is marked in them, and what was tracked."""
    found = session.clip(request.path_params["id"])
    return JSONResponse(found.describe(session.state.objects), headers=NEVER_KEPT)


def open_clip(session: Session, request: Request, _body: None) -> Any:
    """Read a clip's frames, so that they can be looked at."""
    found = tracking.open_frames(session, request.path_params["id"])
    return found.describe(session.state.objects)


def track_clip(session: Session, request: Request, body: bodies.TrackBody) -> Any:
    """Track what was shown through a clip."""
    tracking.track_clip(session, request.path_params["id"], frozenset(body.products))
    return {}


async def upload(request: Request) -> Response:
    """Take one photo that was dropped on the page."""
    session, name = request.app.state.session, request.query_params.get("name", "")
    data = await request.body()
    return await answer(lambda: take_upload(session, name, data))


def picture(session: Session, request: Request) -> Response:
    """A photo at the size of the screen."""
    photo, side = _photo(session, request), _side(request)
    made = session.renditions.photo(photo, side)
    return Response(made, media_type="image/jpeg", headers=_LONG)


def labels(session: Session, request: Request) -> Response:
    """A photo's masks: a grey PNG of object numbers."""
    photo, side = _photo(session, request), _side(request)
    found = session.labels(photo)
    if found is None:
        return Response(status_code=204, headers=NEVER_KEPT)  # no mask yet
    return Response(label_png(found, side), media_type="image/png", headers=_LONG)


def confidence(session: Session, request: Request) -> Response:
    """Where the object seems to be in a photo, before the decoder is asked."""
    photo = _photo(session, request)
    made = confidence_png(session, photo, request.query_params.get("object", ""), _side(request))
    return Response(made, media_type="image/png", headers=NEVER_KEPT)


def open_photo(session: Session, request: Request, _body: None) -> Any:
    """Encode a photo, so that clicks in it are answered at once."""
    frame = session.model.photos.get(_photo(session, request)).frame
    height, width = fitted((frame.height, frame.width), MASK_SIDE)
    mask = {"width": width, "height": height}
    return {"width": frame.width, "height": frame.height, "mask": mask}


def outline(session: Session, request: Request, body: bodies.OutlineBody) -> Response:
    """The mask that clicks, box and brush mean, as a grey PNG of 0 and 1 for the screen."""
    photo = _photo(session, request)
    model, drawing = session.model, _drawing(session, photo, body.drawing)
    embedding = model.photos.get(photo)
    found = clicking.outline(model.clicks, embedding, drawing, MASK_SIDE, closely=body.closely)
    score = "" if found.score is None else f"{found.score:.4f}"
    headers = {**NEVER_KEPT, "x-score": score, "x-closer": str(int(found.closer))}
    return Response(grey_png(found.mask.astype("uint8")), media_type="image/png", headers=headers)


def keep_mask(session: Session, request: Request, body: bodies.MaskBody) -> Any:
    """Keep a drawing's mask: as a reference, as what the object is not, or as a correction."""
    photo = _photo(session, request)
    model, drawing = session.model, _drawing(session, photo, body.drawing)
    found = clicking.outline(model.clicks, model.photos.get(photo), drawing)
    hand_masks.set_mask(session, photo, body.object, body.kind, found.mask)
    _tell_objects(session)
    return {}


def verdict(session: Session, request: Request, body: bodies.VerdictBody) -> Any:
    """Take a word on an object in a photo, or take it back."""
    photo = _photo(session, request)
    if body.kind in ("none", "not-other"):
        hand_masks.take_back(session, photo, body.object, other=body.kind == "not-other")
    else:
        hand_masks.set_verdict(session, photo, body.object, body.kind)
    _tell_objects(session)
    return {}


def _photo(session: Session, request: Request) -> MediaFile:
    return session.photo(request.path_params["id"])


def _drawing(session: Session, photo: MediaFile, body: bodies.DrawingBody) -> clicking.Drawing:
    start = None
    if body.start is not None:
        one = session.named(body.start)
        start = session.masks(photo).get(one.name)
    return body.drawing(start)


def _tell_objects(session: Session) -> None:
    objects = [as_json(one) for one in session.state.objects]
    unlearnt = len(hand_masks.unlearnt(session.state))
    session.events.publish("objects", objects=objects, unlearnt=unlearnt)


def _side(request: Request) -> int:
    side = request.query_params.get("side", "")
    if side not in map(str, SIDES):
        raise InputError(f"A picture's side is one of {', '.join(map(str, SIDES))}.")
    return int(side)
