"""What the adapters of all families share: where a model lives, and pictures in, embeddings out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from persam.models.encoding import Encoding
from persam.models.guided_attention import check_guidance, guided
from persam.models.identity import identity
from persam.models.prompting import check_embedding, check_kinds, preprocess
from persam.models.runtime import PACKAGES, converted, runner, start
from persam.models.runtime.converted_decoder import ConvertedDecoder, Sizes
from persam.models.runtime.decoder_graph import FREE, DecoderGraph, blank_inputs
from persam.models.runtime.fast_decoder import make_lean
from persam.models.runtime.torch_engine import TorchEngine
from persam.structures import Embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.models.runtime import Engine, RuntimeChoice
    from persam.structures import Calibration, Frame, Guidance, MaskLogits, Preprocessed, Prompts


class Adapter(Encoding):
    """A model of some family behind the shape of :class:`persam.models.base.Backbone`.

    Attributes:
        name: what the model was loaded by; stored in concepts and reports.
        model: on its device, float32, in evaluation mode; taken over by the adapter.
        family: what :data:`persam.models.runtime.SAME_IN_BF16` knows the model by.
        encoder: what runs the image encoder; another engine may take its place, and the decoder's.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        recipe: what the variant "default" means for this model.
        ambiguous: a click may mean a part as well as the whole.
        extras: how many further maps an embedding has for the decoder.
        pads_boxes: whether the prompt encoder appends its padding token beside a box, too.
        draws_prompts: whether prompts without a mask are drawn as one.
        calibration: of presence; None where nobody has measured it.
    """

    family: str
    recipe = "default"
    ambiguous = True
    extras = 0
    pads_boxes = True
    draws_prompts = False
    calibration: Calibration | None = None

    def __init__(self, name: str, model: Any, encoder: torch.nn.Module, precision: str) -> None:
        self.name = name
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
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        return self.model.prompt_encoder.not_a_point_embed.weight.device

    @property
    def engine(self) -> str:
        """What runs the image encoder, and the decoder where nothing was hung into it."""
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
        return torch.zeros(1, 3, self.square, self.square, device=self.device)

    def sizes(self, embedding: Embedding) -> Sizes:
        """What the decoder's inputs look like, an embedding of this model being one of them."""
        _, channels, rows, columns = embedding.features.shape
        grid = channels, rows, columns
        return Sizes(self.square, grid, self.extras, self.pads_boxes, self.draws_prompts)

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        raise NotImplementedError

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into the model's square; safe in any thread.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Raises:
            InputError: not such an array.
        """
        return preprocess(image, self)

    @torch.no_grad()
    def encode_preprocessed(self, laid: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode pictures that :meth:`preprocess` has prepared, at once."""
        if not laid:
            return []
        pixels = torch.cat([one.pixels[0] for one in laid]).to(self.device)
        maps = [tensor.split(1) for tensor in self.encoder(pixels)]
        rows = zip(*maps, strict=True)
        return [self.embed(row, one.frame) for row, one in zip(rows, laid, strict=True)]

    @property
    def identity(self) -> str:
        """Names all that decides an embedding, the encoder's weights by their contents."""
        words = (self.family, self.mean.tolist(), self.std.tolist(), self.engine, self.precision)
        return identity(words, self.network, self.square)

    def embed(self, maps: tuple[torch.Tensor, ...], frame: Frame) -> Embedding:
        """Name what the encoder gave for one picture: features first, what else behind."""
        features, *extras = maps
        return Embedding(features, features, frame, tuple(extras))

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Ask the mask decoder once.

        The model's own weights are frozen. Gradients flow to whatever else asks for them: the
        embedding, the prompts, the guidance, or parts that were hung into the decoder.

        Args:
            embedding: of this very model.
            prompts: points, box and mask in any mix, with at least a point or a box.
            guidance: PerSAM's guide and target, for this call only.
            multimask: True for masks 1..3 (SAM's three scales), False for mask 0.

        Returns:
            ``(k, m, m)`` logits and their IoU estimates; k is 3 or 1.

        Raises:
            InputError: prompts, guidance or embedding that do not fit this model.
        """
        check_guidance(guidance, embedding.features)
        if converted := self._converted([embedding], [prompts], guidance):
            return converted.decode(embedding, prompts, guidance, multimask=multimask)
        with guided(self.model.mask_decoder, guidance):
            return self.answer([embedding], [prompts], multimask=multimask)[0]

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask the mask decoder for several prompt sets of one kind, each about its embedding.

        Args:
            embeddings: of this very model; the same one may come again.
            prompts: one for each embedding, all with the same parts and as many points.
            multimask: as for :meth:`decode`.

        Raises:
            InputError: as :meth:`decode`, or prompt sets of different kinds.
        """
        converted = self._converted(embeddings, prompts, None)
        if converted is None:
            return self.answer(embeddings, prompts, multimask=multimask)
        check_kinds(prompts, embeddings)
        pairs = zip(embeddings, prompts, strict=True)
        return [converted.decode(*pair, None, multimask=multimask) for pair in pairs]

    def answer(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask torch's own decoder, as :meth:`decode_batch`; a family says how."""
        raise NotImplementedError

    def _converted(
        self,
        embeddings: Sequence[Embedding],
        prompts: Sequence[Prompts],
        guidance: Guidance | None,
    ) -> ConvertedDecoder | None:
        """The engine's decoder, if it says the same: no gradients are asked, nothing is hung in."""
        if self.engine not in PACKAGES or torch.is_autocast_enabled("cpu"):
            return None
        asked = [tensor for one in embeddings for tensor in (one.features, *one.extras)]
        asked += [one.mask for one in prompts if one.mask is not None]
        if guidance is not None:
            asked += [part for part in (guidance.attention, guidance.target) if part is not None]
        learning = any(tensor.requires_grad for tensor in asked)
        if (learning and torch.is_grad_enabled()) or not self._untouched():
            return None
        if self.engine not in self._decoders and embeddings:
            self._decoders[self.engine] = self._convert(embeddings[0])
        return self._decoders.get(self.engine)

    def _untouched(self) -> bool:
        """Whether the decoder is as it was loaded: the same layers, and no hooks on them."""
        return not any(
            layer._forward_hooks or layer._forward_pre_hooks or parts != [*layer._modules.values()]
            for layer, parts in self._layers
        )

    def _convert(self, embedding: Embedding) -> ConvertedDecoder:
        check_embedding(embedding, self.model.prompt_encoder, self.extras)
        inputs = blank_inputs(embedding)
        file = converted(DecoderGraph(self).eval(), inputs, self.square, self.engine, FREE)
        return ConvertedDecoder(runner(self.engine, file), self.sizes(embedding))


def _layers(model: Any) -> list[tuple[torch.nn.Module, list[torch.nn.Module | None]]]:
    """All layers that decode, each with its parts as they are now."""
    layers = [*model.prompt_encoder.modules(), *model.mask_decoder.modules()]
    return [(layer, [*layer._modules.values()]) for layer in layers]
