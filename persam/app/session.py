"""Everything that one running page is about: the photos, the run's folder, the model."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from persam.app import objects as store
from persam.app.clips import ClipFolder
from persam.app.events import Events
from persam.app.model import LoadedModel, load_model
from persam.app.objects import AppState, NamedObject
from persam.app.photos import MediaFolder, UnknownFile, is_frame
from persam.app.renditions import Renditions
from persam.app.results import Results
from persam.app.search_job import BackgroundJob
from persam.errors import InputError, PersamError
from persam.io.concept_file import concept_model
from persam.io.folders import real_path
from persam.io.writers import remove_leftovers
from persam.structures import ModelSpec
from persam.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

    from persam.app.photos import MediaFile

DEFAULT_MODEL = "pocket"


@dataclass(frozen=True)
class AppOptions:
    """What the page is started with.

    Attributes:
        run: folder of the run; made where it is missing.
        folder: of the photos, or None.
        concepts: files from ``persam learn`` by object name.
        model: as ``--model`` takes it; None for the concepts' own, or the built-in one.
        place: ``device``, ``precision`` and ``engine``, as :func:`persam.load` takes them.
    """

    run: Path
    folder: Path | None = None
    concepts: tuple[tuple[str, Path], ...] = ()
    model: str | None = None
    place: tuple[tuple[str, str], ...] = ()


class Session:
    """What all requests share. Every change of the state is on the disk before it is answered."""

    def __init__(self, options: AppOptions) -> None:
        """Open a run's folder, new or with all that was done in it, and begin to load the model.

        Raises:
            InputError: no such folder of photos, or a run's folder that is something else's.
        """
        self.options, self.run = options, options.run.absolute()
        folder = None if options.folder is None else options.folder.absolute()
        if folder is not None and real_path(folder) == real_path(self.run):
            raise InputError(f"--out {self.run} is the folder of the photos. Choose another.")
        self.media = MediaFolder(folder, self.run / "uploads")
        self.events, self.renditions = Events(), Renditions()
        self.lock = RLock()
        self.state = self._with_concepts(store.read_state(self.run, folder))
        self.results = Results(self.run)
        self.job = BackgroundJob(self.events)
        remove_leftovers(self.run)
        self._pool = ThreadPoolExecutor(1, "persam-model")
        self._model: Future[LoadedModel] = self._pool.submit(self._load)
        self._model.add_done_callback(lambda _: self.events.publish("model", **self.model_state()))

    @property
    def model(self) -> LoadedModel:
        """The model; waits until it is loaded.

        Raises:
            PersamError: it cannot be loaded.
        """
        return self._model.result()

    def model_state(self) -> dict[str, Any]:
        """What the page is told of the model."""
        if not self._model.done():
            return {"status": "loading", "name": self.model_name(), "error": None}
        error = self._model.exception()
        told = "The model cannot be loaded; the terminal says why."
        if error is not None:
            message = str(error) if isinstance(error, PersamError) else told
            return {"status": "failed", "name": self.model_name(), "error": message}
        return {"status": "ready", "name": self.model_name(), "error": None}

    def model_spec(self) -> ModelSpec:
        """What to load: the model that was named, else the one of the first concept."""
        if self.options.model is not None:
            return ModelSpec(self.options.model)
        brought = [one.concept for one in self.state.objects if one.concept is not None]
        return concept_model(brought[0]) if brought else ModelSpec(DEFAULT_MODEL)

    def model_name(self) -> str:
        """The model in words."""
        return str(self.model_spec())

    def default_presence(self) -> float:
        """The presence below which the model's own recipe calls an object absent."""
        recipe = "default"
        if self._model.done() and self._model.exception() is None:
            recipe = self.model.clicks.recipe
        return Variant.named("pocket" if recipe == "default" else recipe, "persam").min_presence

    def change(self, update: Callable[[AppState], AppState]) -> AppState:
        """Change the state and write it, before anybody is told.

        Raises:
            InputError: the change is refused, or the file cannot be written.
        """
        with self.lock:
            changed = update(self.state)
            store.write_state(self.run, changed)
            self.state = changed
        return changed

    def named(self, name: str) -> NamedObject:
        """The object of that name.

        Raises:
            UnknownFile: there is none.
        """
        for one in self.state.objects:
            if one.name == name:
                return one
        raise UnknownFile("There is no object of that name. Reload the page.")

    def replace_object(self, changed: NamedObject, before: str) -> None:
        """Put an object in the place of the one that had the name ``before``."""

        def update(state: AppState) -> AppState:
            objects = tuple(changed if o.name == before else o for o in state.objects)
            return replace(state, objects=objects)

        self.change(update)

    def clip(self, media_id: str) -> ClipFolder:
        """The clip of that id.

        Raises:
            UnknownFile: there is none.
        """
        return ClipFolder(self.run, self.media.clip(media_id))

    def photo(self, media_id: str) -> MediaFile:
        """The photo of that id, or the frame of a clip: ``<clip>-<number>``.

        Raises:
            UnknownFile: there is none.
        """
        clip, frame, number = media_id.partition("-")
        if not frame:
            return self.media.photo(media_id)
        if not number.isdecimal():
            raise UnknownFile("There is no such frame. Reload the page.")
        return self.clip(clip).frame(int(number))

    def masks(self, photo: MediaFile) -> dict[str, np.ndarray]:
        """Masks of a photo or frame by object name, what a person said over what was found."""
        return self.results.masks(photo.path, self.state.objects, self._tracked(photo))

    def labels(self, photo: MediaFile) -> np.ndarray | None:
        """The same as one map of object numbers; None where there is no mask at all."""
        return self.results.labels(photo.path, self.state.objects, self._tracked(photo))

    def stem(self, photo: MediaFile) -> str:
        """Name of a photo's or frame's results."""
        if not is_frame(photo):
            return self.results.stem(photo.path, self.paths())
        clip, _, number = photo.id.partition("-")
        return f"{self.clip(clip).folder.name}-{int(number):06d}"

    def _tracked(self, photo: MediaFile) -> dict[str, np.ndarray] | None:
        if not is_frame(photo):
            return None
        clip, _, number = photo.id.partition("-")
        return self.clip(clip).masks(int(number))

    def paths(self) -> list[Path]:
        """All photos, in their order."""
        return [photo.path for photo in self.media.photos.values()]

    def tell(self, photo: MediaFile) -> None:
        """Tell the pages what is known of a photo, or a frame's clip, now."""
        if is_frame(photo):
            self.events.publish("clip", id=photo.id.partition("-")[0])
        else:
            self.tell_photos([photo.path])

    def tell_photos(self, photos: Sequence[Path]) -> None:
        """Tell the pages what is known of these photos now."""
        wanted = set(photos)
        for photo in self.media.photos.values():
            if photo.path in wanted:
                described = self.results.describe(photo, self.state.objects)
                self.events.publish("photo", photo=described)

    def close(self) -> None:
        """Stop what is running; all that is done is on the disk."""
        self.job.cancel()
        self.events.close()
        self.job.wait(10)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> LoadedModel:
        from persam.models.stored_model import refuse_unknown

        spec = self.model_spec()
        if self.options.model is None:
            refuse_unknown(spec, "A concept of the session")
        return load_model(spec, dict(self.options.place), self.run)

    def _with_concepts(self, state: AppState) -> AppState:
        """The state, and the concepts that the command line brought to it."""
        objects = list(state.objects)
        for name, path in self.options.concepts:
            if not path.is_file():
                raise InputError(f"There is no concept file {path}. `persam learn` writes one.")
            known = {one.name: place for place, one in enumerate(objects)}
            if name in known:
                objects[known[name]] = replace(objects[known[name]], concept=str(path.absolute()))
            else:
                objects.append(NamedObject(name, concept=str(path.absolute())))
        return replace(state, objects=tuple(objects))
