"""A model that was written as ONNX or OpenVINO files: it runs without torch's weights.

The folder holds the encoder, the decoder (with PerSAM's guide and target among its inputs, see
``decoder_graph.py``) and ``persam.json``, which says all that an adapter would know.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from persam import geometry
from persam.errors import InputError
from persam.models.encoding import Encoding
from persam.models.prompting import DecoderSizes, check_guidance, check_kinds, preprocess
from persam.models.runtime.choice import RuntimeChoice, missing, require
from persam.models.runtime.converted_decoder import ConvertedDecoder
from persam.models.runtime.converted_encoder import ConvertedEncoder
from persam.models.runtime.exported_metadata import EXPORTED, READERS, SUFFIXES, Facts
from persam.models.runtime.programs import runner
from persam.models.runtime.staged_encoder import StagedEncoder
from persam.models.runtime.streams import stream_count
from persam.structures import Calibration, Embedding, LaterMaps, Maps, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from persam.structures import Frame, Guidance, MaskLogits, Preprocessed, Prompts


class ExportedBackbone(Encoding):
    """Answers as the model that was exported does, to rounding; no gradients go through it.

    Attributes:
        spec: what it was loaded by; stored in concepts.
        facts: what the folder says.
        encoder: what runs the image encoder.
        square, mean, std, recipe, ambiguous, calibration: of the model that was exported.
    """

    model = None

    def __init__(
        self, name: str, files: ExportedFiles, facts: Facts, choice: RuntimeChoice
    ) -> None:
        """Start the networks.

        Args:
            name: what the user asked for.
            files: the networks.
            facts: what the folder says of them.
            choice: of engine and number format; the environment's wishes are for models that can be
                converted for any engine, and not read here.

        Raises:
            InputError: another engine than the one it was exported for, or a format that the files
                do not run in.
            MissingExtra: the packages that run it are not installed.
        """
        self.spec = ModelSpec(name)
        self.facts = facts
        self.square = facts.square
        self.mean = np.array(facts.mean, dtype=np.float32)
        self.std = np.array(facts.std, dtype=np.float32)
        self.recipe = facts.recipe
        self.ambiguous = facts.ambiguous
        self.calibration = None if facts.calibration is None else Calibration(*facts.calibration)
        self._files = files
        engine, precision = _settled(name, facts, choice)
        *encoder, decoder = (files.of(part, facts.format) for part in facts.parts)
        self.encoder = (StagedEncoder if facts.staged else ConvertedEncoder)(
            engine, *encoder, precision=precision
        )
        channels, rows, columns = facts.grid
        grid = (channels, rows, columns)
        sizes = DecoderSizes(facts.square, grid, facts.extras, facts.pad_box, facts.sketch)
        self._decoder = ConvertedDecoder(runner(engine, decoder), sizes)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds where the files lie; whoever reads it starts the engine anew."""
        kept = "auto" if self.facts.precision == "int8" else self.precision
        choice = RuntimeChoice(self.engine, kept)
        return ExportedBackbone, (self.name, self._files, self.facts, choice)

    @property
    def device(self) -> str:
        """The CPU."""
        return "cpu"

    @property
    def engine(self) -> str:
        """What runs encoder and decoder."""
        return self.encoder.name

    @property
    def precision(self) -> str:
        """Number format that the image encoder computes in."""
        return self.encoder.precision

    @property
    def streams(self) -> int:
        """Calls that are quickest side by side: of small networks; large ones fill all cores.

        By OpenVINO none are, which would keep a network for each stream (docs/speed.md, Albums).
        """
        return stream_count() if self.facts.small and self.engine == "onnx" else 1

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        return geometry.fit(height, width, self.square, keep_aspect=self.facts.keep_aspect)

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the square, as :meth:`persam.models.base.Backbone.preprocess`."""
        return preprocess(image, self)

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave, one after the other."""
        return [self._embedding(one) for one in pictures]

    def _embedding(self, picture: Preprocessed) -> Embedding:
        made = self.encoder(picture.pixels[0])
        if isinstance(made, LaterMaps):
            return Embedding(made, picture.frame)
        features, *rest = made
        matching = rest.pop(0) if self.facts.matching else features
        return Embedding(Maps(features, matching, tuple(rest)), picture.frame)

    @property
    def identity(self) -> str:
        """Names all that decides an embedding: the folder's files, and how they run."""
        mixed = hashlib.sha256(f"{self.engine} {self.precision}".encode())
        for path in self._files.all(self.facts.parts):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
            mixed.update(f"{path.name} {digest.hexdigest()}".encode())
        return mixed.hexdigest()

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts; see :meth:`persam.models.base.Backbone.decode`."""
        check_guidance(guidance, embedding.features)
        return self._decoder.decode(embedding, prompts, guidance, multimask=multimask)

    def decode_batch(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Sequence[Guidance | None] = (),
        multimask: bool,
    ) -> list[MaskLogits]:
        """Answer several, one after the other."""
        check_kinds(prompts, embeddings, guidance)
        each = zip(embeddings, prompts, guidance or [None] * len(prompts), strict=True)
        return [
            self.decode(one, asked, guidance=given, multimask=multimask)
            for one, asked, given in each
        ]


def _settled(name: str, facts: Facts, choice: RuntimeChoice) -> tuple[str, str]:
    """Engine and number format of an exported model; raises as the constructor."""
    able = READERS[facts.format]
    if choice.engine not in ("auto", *able):
        raise InputError(
            f"{name} was exported for {' and '.join(able)}, not for {choice.engine}. Leave the "
            f"engine out, or export the model again."
        )
    engine = choice.engine if choice.engine != "auto" else first_installed(able)
    require(engine, run=True)
    if facts.precision != "int8":
        asked = RuntimeChoice(engine, choice.precision)
        return engine, asked.settled(facts.family, "cpu", run=True).precision
    if choice.precision != "auto":
        raise InputError(f"{name} was rounded to int8; leave precision {choice.precision} out.")
    return engine, "int8"


@dataclass(frozen=True)
class ExportedFiles:
    """Where the networks of an exported model lie.

    Attributes:
        folder: of all files.
        prefix: how the names of this model's files begin.
        others: names of further files that they read.
    """

    folder: Path
    prefix: str = ""
    others: tuple[str, ...] = ()

    def of(self, part: str, form: str) -> Path:
        """The file of a part."""
        return self.folder / f"{self.prefix}{part}{SUFFIXES[form]}"

    def all(self, parts: Iterable[str]) -> list[Path]:
        """All files that decide what the model answers."""
        own = (f"{self.prefix}{part}.*" for part in parts)
        found = [path for pattern in own for path in self.folder.glob(pattern)]
        return sorted([*found, *(self.folder / name for name in self.others)])


def first_installed(able: Sequence[str]) -> str:
    """The first of these engines whose packages are installed, else the first of all."""
    return next((engine for engine in able if not missing(engine, run=True)), able[0])


def load_exported(
    folder: Path, name: str, *, device: str, choice: RuntimeChoice
) -> ExportedBackbone:
    """Load what ``persam export`` wrote.

    Raises:
        InputError: a damaged folder, another device than the CPU, or as the constructor.
        MissingExtra: the packages that run it are not installed.
    """
    facts = Facts.read(folder / EXPORTED)
    facts.check_files(folder)
    if device != "cpu":
        raise InputError(
            f'{name} was exported for CPUs and does not run on {device}. Take device="cpu", or '
            f"load the model that it was made from."
        )
    return ExportedBackbone(name, ExportedFiles(folder), facts, choice)
