"""What the adapters of all families share: where a model lives, and pictures in, embeddings out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from persam import geometry
from persam.models.encoding import Encoding
from persam.models.guided_attention import decoder_lock, guided
from persam.models.identity import identity
from persam.models.prompting import (
    DecoderSizes,
    check_embedding,
    check_guidance,
    check_kinds,
    preprocess,
)
from persam.models.runtime.choice import PACKAGES
from persam.models.runtime.converted_decoder import ConvertedDecoder
from persam.models.runtime.convertible import DECODER, ENCODER, Convertible
from persam.models.runtime.decoder_graph import FREE, OUTPUTS, DecoderGraph, blank_inputs
from persam.models.runtime.fast_decoder import make_lean
from persam.models.runtime.programs import converted, runner
from persam.models.runtime.start_encoder import start
from persam.models.runtime.torch_engine import TorchEngine
from persam.models.tensors import as_arrays, guidance_tensors
from persam.structures import Embedding, Maps, ModelSpec

if TYPE_CHECKING:
    from persam.models.runtime.choice import Engine, RuntimeChoice
    from persam.structures import Calibration, Frame, Guidance, MaskLogits, Preprocessed, Prompts


class Adapter(Encoding):
    """A model of some family behind the shape of :class:`persam.models.base.Backbone`.

    Attributes:
        spec: what the model was loaded by; stored in concepts.
        model: on its device, float32, in evaluation mode; taken over by the adapter.
        family: what :data:`persam.models.runtime.choice.SAME_IN_BF16` knows the model by.
        encoder: what runs the image encoder; another engine may take its place, and the decoder's.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        keep_aspect: whether pictures keep their aspect in the square, padded below or right.
        own_matching: whether objects are compared by a map of their own, the encoder's second.
        recipe: what the variant "default" means for this model.
        ambiguous: a click may mean a part as well as the whole.
        streams: calls that are quickest side by side.
        extras: how many further maps an embedding has for the decoder.
        pads_boxes: whether the prompt encoder appends its padding token beside a box, too.
        draws_prompts: whether prompts without a mask are drawn as one.
        calibration: of presence; None where nobody has measured it.
    """

    family: str
    keep_aspect = False
    own_matching = False
    recipe = "default"
    ambiguous = True
    streams = 1
    extras = 0
    pads_boxes = True
    draws_prompts = False
    calibration: Calibration | None = None

    def __init__(self, name: str, model: Any, encoder: torch.nn.Module, precision: str) -> None:
        self.spec = ModelSpec(name)
        self.model = model
        self.network = encoder.eval().requires_grad_(False)
        self.encoder: Engine = TorchEngine(self.network, precision)
        self.square: int = model.prompt_encoder.input_image_size
        self.mean: np.ndarray
        self.std: np.ndarray
        make_lean(model)
        self._decoders: dict[str, ConvertedDecoder] = {}  # by engine, from the first call on
        self._layers = _layers(model)

    @property
    def place(self) -> torch.device:
        """Where the weights are."""
        return self.model.prompt_encoder.not_a_point_embed.weight.device

    @property
    def device(self) -> str:
        """Where the model computes."""
        return str(self.place)

    @property
    def engine(self) -> str:
        """What runs the image encoder, and the decoder where nothing was hooked into it."""
        return self.encoder.name

    @property
    def precision(self) -> str:
        """Number format of the image encoder; everything given back is float32."""
        return self.encoder.precision

    def run_by(self, choice: RuntimeChoice) -> Self:
        """Let another engine run the image encoder; gives the adapter itself.

        Args:
            choice: what is still ``"auto"`` in it is decided here, or by the environment.

        Raises:
            InputError: an engine or number format that this machine or model does not take.
            MissingExtra: an engine whose packages are not installed.
        """
        settled = choice.wished().settled(self.family, self.device)
        if (settled.engine, settled.precision) != (self.engine, self.precision):
            self.encoder = start(self.network, self.blank, settled)
        return self

    @property
    def blank(self) -> torch.Tensor:
        """What the encoder takes, black: ``(1, 3, square, square)``."""
        return torch.zeros(1, 3, self.square, self.square, device=self.place)

    @property
    def sizes(self) -> DecoderSizes:
        """What the decoder's inputs look like."""
        encoder: Any = self.model.prompt_encoder
        grid = (encoder.hidden_size, *encoder.image_embedding_size)
        return DecoderSizes(self.square, grid, self.extras, self.pads_boxes, self.draws_prompts)

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        return geometry.fit(height, width, self.square, keep_aspect=self.keep_aspect)

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the model's square; safe in any thread.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Raises:
            InputError: not such an array.
        """
        return preprocess(image, self)

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave, at once."""
        if not pictures:
            return []
        maps = self.encoder(np.concatenate([one.pixels[0] for one in pictures]))
        rows = [tuple(array[n : n + 1] for array in maps) for n in range(len(pictures))]
        return [self._embedding(row, one.frame) for row, one in zip(rows, pictures, strict=True)]

    @property
    def identity(self) -> str:
        """Names all that decides an embedding, the encoder's weights by their contents."""
        words = (self.family, self.mean.tolist(), self.std.tolist(), self.engine, self.precision)
        return identity(words, self.network, self.square)

    def _embedding(self, maps: tuple[np.ndarray, ...], frame: Frame) -> Embedding:
        """Name what the encoder gave for one picture: features first, what else behind."""
        features, *extras = maps
        matching = extras.pop(0) if self.own_matching else features
        return Embedding(Maps(features, matching, tuple(extras)), frame)

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Ask the mask decoder once; see :meth:`persam.models.base.Backbone.decode`."""
        if decoder := self._converted([embedding]):
            check_guidance(guidance, embedding.features)
            return decoder.decode(embedding, prompts, guidance, multimask=multimask)
        with torch.no_grad():
            found = self.decode_tensors(
                [embedding], [prompts], guidance=guidance, multimask=multimask
            )
        return as_arrays(found[0])

    def decode_batch(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Sequence[Guidance | None] = (),
        multimask: bool,
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.models.base.Backbone.decode_batch`."""
        check_kinds(prompts, embeddings, guidance)
        given = guidance or [None] * len(prompts)
        if decoder := self._converted(embeddings):
            each = list(zip(embeddings, prompts, given, strict=True))
            for embedding, _, one in each:
                check_guidance(one, embedding.features)
            return [decoder.decode(*one, multimask=multimask) for one in each]
        with torch.no_grad():
            found = self.decode_tensors(embeddings, prompts, guidance=given, multimask=multimask)
        return [as_arrays(one) for one in found]

    def decode_tensors(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        *,
        guidance: Guidance | Sequence[Guidance | None] | None = None,
        multimask: bool = True,
    ) -> list[MaskLogits]:
        """Ask torch's own decoder, with gradients for whoever trains something round it.

        The model's own weights are frozen. Gradients flow to whatever else asks for them: tensors
        in the place of an embedding's, prompt's or guidance's arrays, and parts that were hooked
        into the decoder. Threads take turns.

        Args:
            embeddings: of this very model; the same one may come again.
            prompts: one for each embedding, all with the same parts and as many points.
            guidance: for all of them, or one for each, of one kind.
            multimask: as for :meth:`decode`.

        Returns:
            One answer for each embedding, of tensors.

        Raises:
            InputError: as :meth:`decode`, or prompt sets of different kinds.
        """
        several = isinstance(guidance, Sequence)
        for number, embedding in enumerate(embeddings):
            check_embedding(embedding, self.sizes)
            check_guidance(guidance[number] if several else guidance, embedding.features)
        given = guidance_tensors(guidance, self.place)
        with guided(self.model.mask_decoder, given):
            return self.answer(embeddings, prompts, multimask=multimask)

    def answer(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask the decoder as it is at the moment, as :meth:`decode_tensors`; a family says how."""
        raise NotImplementedError

    def _converted(self, embeddings: Sequence[Embedding]) -> ConvertedDecoder | None:
        """The engine's decoder, where it says the same: nothing was hooked into torch's."""
        if self.engine not in PACKAGES or torch.is_autocast_enabled("cpu"):
            return None
        with decoder_lock(self.model.mask_decoder):  # while no other thread has its hooks in
            if not self._untouched():
                return None
            if self.engine not in self._decoders and embeddings:
                check_embedding(embeddings[0], self.sizes)
                self._decoders[self.engine] = self._convert()
            return self._decoders.get(self.engine)

    def _untouched(self) -> bool:
        """Whether the decoder is as it was loaded: the same layers, and no hooks on them."""
        return not any(
            layer._forward_hooks or layer._forward_pre_hooks or parts != [*layer._modules.values()]
            for layer, parts in self._layers
        )

    def convertible(self) -> tuple[Convertible, Convertible]:
        """Encoder and decoder as networks that run outside torch."""
        embedding = self.encode(np.zeros((8, 8, 3), np.uint8))
        graph = DecoderGraph(self.model, self.answer, self.frame(self.square, self.square))
        encoder = Convertible(ENCODER, self.network, {"pixels": self.blank})
        return encoder, Convertible(DECODER, graph.eval(), blank_inputs(embedding), FREE, OUTPUTS)

    def _convert(self) -> ConvertedDecoder:
        file = converted(self.convertible()[1], self.engine)
        return ConvertedDecoder(runner(self.engine, file), self.sizes)


def _layers(model: Any) -> list[tuple[torch.nn.Module, list[torch.nn.Module | None]]]:
    """All layers that decode, each with its parts as they are now."""
    layers = [*model.prompt_encoder.modules(), *model.mask_decoder.modules()]
    return [(layer, [*layer._modules.values()]) for layer in layers]
