"""The callable of an actor: the model loaded once, one encoding a photo for all concepts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from persam.album.batch_size import BatchSize
from persam.album.loop import LoaderOptions
from persam.album.rows import find_in, row_of, schema
from persam.album.search import asking
from persam.album.targets import AlbumTarget
from persam.concept import Concept
from persam.io.concept_set import separate_files
from persam.io.extras import import_extra
from persam.io.sources import Fetched
from persam.models.stored_model import load_stored_model

if TYPE_CHECKING:
    from collections.abc import Iterator


class Segmenter:
    """Finds objects in batches of pictures: ``read_album(...).map_batches(Segmenter, ...)``.

    Rows come in as ``photo``, ``data`` and perhaps ``error``, and go out as
    :func:`persam.album.rows.schema` says. A picture that cannot be read or searched is a row with
    an error. How many pictures the encoder takes at once is found out on the first ones.
    """

    def __init__(
        self,
        concepts: Mapping[str, bytes | str | Path] | bytes | str | Path,
        *,
        instances: bool = False,
        min_presence: float | None = None,
        **place: str,
    ) -> None:
        """Load the concepts and their model; in an actor, once.

        Args:
            concepts: a file of ``persam learn``, or its contents, which machines need not share;
                or several by name, whose objects are looked for together.
            instances: tell the instances of the one object apart.
            min_presence: in place of the concepts' own.
            place: ``device``, ``precision`` and ``engine``, as :func:`persam.load` takes them.

        Raises:
            InputError: no concept, or concepts of different models.
        """
        several = isinstance(concepts, Mapping)
        named = dict(concepts) if isinstance(concepts, Mapping) else {"": concepts}
        found = _loaded(named, place)
        if min_presence is not None:
            found = {name: asking(one, min_presence) for name, one in found.items()}
        together = several or len(found) > 1
        objects = found if together else next(iter(found.values()))
        self.target = AlbumTarget.of(objects, instances=instances)
        self.loader = LoaderOptions(batch=BatchSize())
        self.threads = self.loader.threads()

    def __call__(self, batch: Any) -> Any:
        """Search a batch of pictures: a table of Arrow, or columns by name, to a table."""
        arrow = import_extra("pyarrow", "ray", "Clusters")
        found = find_in(_fetched(batch), self.target, self.loader, self.threads)
        rows = [row_of(one.name, result, one.error) for one, result in found]
        return arrow.Table.from_pylist(rows, schema=schema())


def _loaded(
    named: Mapping[str, bytes | str | Path], place: Mapping[str, str]
) -> dict[str, Concept]:
    with TemporaryDirectory(prefix="persam-") as folder:
        paths = {}
        for number, (name, one) in enumerate(named.items()):
            paths[name] = Path(folder) / str(number) if isinstance(one, bytes) else Path(one)
            if isinstance(one, bytes):
                paths[name].write_bytes(one)
        with separate_files(paths) as files:
            backbone = load_stored_model(next(iter(files.values())), **place)
            return {name: Concept.load(path, backbone) for name, path in files.items()}


def _fetched(batch: Any) -> Iterator[Fetched]:
    columns = batch.to_pydict() if hasattr(batch, "to_pydict") else batch
    errors = columns.get("error", [None] * len(columns["photo"]))
    for name, data, error in zip(columns["photo"], columns["data"], errors, strict=True):
        yield Fetched(str(name), data, error)
