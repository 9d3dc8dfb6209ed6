"""A whole album on a cluster: what is done already is passed over, results are parts of Parquet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.album.result_parts import ResultParts
from persam.album.rows import is_there
from persam.errors import InputError
from persam.integrations.ray.reading import read_sources, sources_left
from persam.integrations.ray.segmenter import Segmenter
from persam.io.concept_file import concept_model
from persam.io.concept_set import separate_files
from persam.io.extras import import_extra
from persam.io.sources import find_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class ClusterOptions:
    """How a cluster is used.

    Attributes:
        actors: models that work side by side; None for one a core, or one a GPU.
        cpus: cores of each.
        gpus: GPUs of each; then the model runs there.
        batch: photos that an actor is handed at once.
        part: photos of a written part, which is what a killed driver loses at most.
        address: of a running cluster; None for the one that Ray finds, or this machine alone.
    """

    actors: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    batch: int = 32
    part: int = 256
    address: str | None = None


@dataclass(frozen=True)
class ClusterSummary:
    """What a run did.

    Attributes:
        folder: of the parts.
        written: photos of this run, those with an error included.
        skipped: photos that earlier runs had done.
        failed: photos of this run with an error.
        present: photos of this run in which something was found.
    """

    folder: str
    written: int = 0
    skipped: int = 0
    failed: int = 0
    present: int = 0


def segment_on_ray(
    places: Sequence[str],
    concepts: Mapping[str, str | Path] | str | Path,
    out: str,
    on_progress: Callable[[int], None] | None = None,
    **options: Any,
) -> ClusterSummary:
    """Find objects in an album on a cluster, and write rows as parts of Parquet.

    A killed run goes on by the same call: photos of the parts that are there are not looked at
    again, those with an error included. A worker that dies is replaced by Ray, and what it had in
    hand is done again; nothing is written twice.

    Args:
        places: as for :func:`read_album`.
        concepts: files of ``persam learn``, as for :class:`Segmenter`; read here, and sent.
        out: folder for the parts, on disk or in a store.
        on_progress: called with the number of photos of each written part.
        options: fields of :class:`ClusterOptions`, and those of :class:`Segmenter`.

    Raises:
        InputError: nothing to read, no concept, or parts of another run.
        MissingExtra: Ray is not installed.
    """
    fields = ClusterOptions.__dataclass_fields__
    how = ClusterOptions(**{name: one for name, one in options.items() if name in fields})
    what = {name: one for name, one in options.items() if name not in fields}
    import_extra("ray.data", "ray", "Clusters")
    contents = _contents(concepts)
    with ResultParts.opened(out, _settings(contents, what)) as parts:
        done = parts.done()
        left = sources_left(find_sources(places), done)
        if not left:
            return ClusterSummary(parts.folder, skipped=len(done))
        _start(how)
        rows = _rows(read_sources(left, done), (contents, what), how)
        return _written(rows, parts, len(done), (how.part, on_progress))


def _rows(album: Any, search: tuple[Any, dict[str, Any]], how: ClusterOptions) -> Any:
    contents, what = search
    place = {"device": "cuda"} if how.gpus else {}
    return album.map_batches(
        Segmenter,
        fn_constructor_args=[contents],
        fn_constructor_kwargs={**place, **what},
        batch_size=how.batch,
        batch_format="pyarrow",
        compute=import_extra("ray.data", "ray", "Clusters").ActorPoolStrategy(size=_actors(how)),
        num_cpus=how.cpus,
        num_gpus=how.gpus or None,
    )


def _written(
    rows: Any,
    parts: ResultParts,
    skipped: int,
    each: tuple[int, Callable[[int], None] | None],
) -> ClusterSummary:
    """Write what comes, part by part; one writer, so that nothing is there twice."""
    size, on_progress = each
    written = failed = present = 0
    for table in rows.iter_batches(batch_size=size, batch_format="pyarrow"):
        parts.write(table)
        written += table.num_rows
        failed += table.num_rows - table["error"].null_count
        present += sum(map(is_there, table.select(["box", "found"]).to_pylist()))
        if on_progress is not None:
            on_progress(table.num_rows)
    return ClusterSummary(parts.folder, written, skipped, failed, present)


def _contents(
    concepts: Mapping[str, str | Path] | str | Path,
) -> Mapping[str, bytes] | bytes:
    """The files' contents, which are sent to the machines; what is no concept is refused here."""
    named = concepts if isinstance(concepts, Mapping) else {"": concepts}
    with separate_files({name: Path(path) for name, path in named.items()}) as files:
        models = {concept_model(path) for path in files.values()}
    if len(models) > 1:
        raise InputError(
            f"Objects that are looked for at once are learnt with one model; got concepts of "
            f"{', '.join(sorted(map(str, models)))}. Learn them with the same, or look for one "
            f"after the other."
        )
    try:
        if isinstance(concepts, Mapping):
            return {name: Path(path).read_bytes() for name, path in concepts.items()}
        return Path(concepts).read_bytes()
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _settings(contents: Mapping[str, bytes] | bytes, what: Mapping[str, Any]) -> str:
    """A name for all that decides what is found; where the model runs does not."""
    mixed = hashlib.sha256()
    for name, one in (contents if isinstance(contents, Mapping) else {"": contents}).items():
        mixed.update(repr(name).encode() + hashlib.sha256(one).digest())
    deciding = {name: what.get(name) for name in ("instances", "min_presence", "precision")}
    mixed.update(repr(deciding).encode())
    return mixed.hexdigest()[:16]


def _start(how: ClusterOptions) -> None:
    """Join a cluster, unless the caller has; Ray then says what it warns of, and nothing else."""
    ray = import_extra("ray", "ray", "Clusters")
    if ray.is_initialized():
        return
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.WARNING}
    ray.init(address=how.address, **quiet)
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":  # the other writes Ray's own files
            handler.setLevel(logging.WARNING)


def _actors(how: ClusterOptions) -> int:
    """How many models the cluster has room for, beside what reads and writes."""
    if how.actors is not None:
        return how.actors
    there = import_extra("ray", "ray", "Clusters").cluster_resources()
    room = there.get("GPU", 0) / how.gpus if how.gpus else there.get("CPU", 1) / how.cpus
    return max(1, int(room))
