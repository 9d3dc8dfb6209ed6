"""How much of the photos' background comes back in new pictures, with and without masks.

A small latent diffusion model learns to draw balls of all colours in rooms of all colours. Then
four photos of one ball, all taken in the same room, teach it that ball by DreamBooth: once with
persam's masked loss, once with the plain one, everything else alike (prior preservation on the
model's own pictures, seeds, steps). New pictures of the ball are then compared with the room.
Pictures have 32 x 32 pixels; the autoencoder is the simplest there is, the mean colour of 4 x 4.

    OMP_NUM_THREADS=1 python benchmarks/dreambooth_background.py \
        --json benchmarks/dreambooth_background.json
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DModel
from PIL import Image

from persam.dreambooth import latent_mask, masked_loss

SIDE, CELL = 32, 4  # pixels; a latent cell is the mean colour of CELL x CELL
GRID = SIDE // CELL
NAMES = ("neither", "plain", "masked")


@dataclass(frozen=True)
class Settings:
    """Everything that decides the numbers, besides the library versions."""

    base_steps: int = 1000
    base_batch: int = 24
    base_rate: float = 2e-3
    tune_steps: int = 300
    tune_batch: int = 4
    tune_rate: float = 5e-4
    photos: int = 4
    prior: int = 24
    samples: int = 24
    sampling_steps: int = 20
    seeds: int = 3
    close: float = 0.15


@dataclass(frozen=True)
class Look:
    """Colours, 0..1 RGB: of the wall, of the floor, of the ball."""

    wall: np.ndarray
    floor: np.ndarray
    ball: np.ndarray


ROOM = np.array([0.10, 0.55, 0.50]), np.array([0.85, 0.50, 0.15])
BALL = np.array([0.80, 0.10, 0.70])
HORIZON = 20  # pixels from the top


def any_look(dice: np.random.Generator) -> Look:
    return Look(*dice.random((3, 3)))


def draw(look: Look, dice: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``(SIDE, SIDE, 3)`` in 0..1 and the ball's mask; without dice the room alone."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    picture = np.where((y > HORIZON)[..., None], look.floor, look.wall)
    if dice is None:
        return picture, np.zeros((SIDE, SIDE), dtype=bool)
    radius = dice.uniform(6, 9)
    centre = dice.uniform(radius, SIDE - radius, 2)
    mask = np.hypot(y - centre[0], x - centre[1]) < radius
    picture[mask] = look.ball
    return picture, mask


def encode(pictures: np.ndarray) -> torch.Tensor:
    """``(n, SIDE, SIDE, 3)`` in 0..1 -> ``(n, 3, GRID, GRID)`` in -1..1."""
    pixels = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) * 2 - 1
    return F.avg_pool2d(pixels, CELL)


def decode(cells: torch.Tensor) -> np.ndarray:
    """``(n, 3, GRID, GRID)`` -> ``(n, GRID, GRID, 3)`` in 0..1, a pixel a cell."""
    return (cells.clamp(-1, 1) / 2 + 0.5).permute(0, 2, 3, 1).numpy()


def new_model() -> UNet2DModel:
    return UNet2DModel(
        sample_size=GRID,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("AttnDownBlock2D",) * 2,
        up_block_types=("AttnUpBlock2D",) * 2,
        norm_num_groups=8,
        attention_head_dim=16,
        num_class_embeds=2,  # 0: any ball, 1: the subject
    )


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False
    )


def noised(
    clean: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy cells, their times, and the velocities that the model should say."""
    noise = torch.randn(clean.shape, generator=generator)
    times = torch.randint(0, 1000, (len(clean),), generator=generator)
    plan = scheduler()
    return plan.add_noise(clean, noise, times), times, plan.get_velocity(clean, noise, times)


def learn_the_world(settings: Settings) -> UNet2DModel:
    torch.manual_seed(0)
    model, dice = new_model(), np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(model.parameters(), settings.base_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.base_rate, settings.base_steps
    )
    for _ in range(settings.base_steps):
        drawn = [draw(any_look(dice), dice)[0] for _ in range(settings.base_batch)]
        noisy, times, wanted = noised(encode(np.stack(drawn)), generator)
        said = model(noisy, times, class_labels=torch.zeros_like(times)).sample
        F.mse_loss(said, wanted).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    with torch.no_grad():  # the subject starts as any ball
        table = model.class_embedding.weight
        table[1] = table[0]
    return model


@torch.no_grad()
def sample(model: UNet2DModel, kind: int, count: int, settings: Settings, seed: int) -> np.ndarray:
    plan = scheduler()
    plan.set_timesteps(settings.sampling_steps)
    shape = (count, 3, GRID, GRID)
    cells = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    for moment in plan.timesteps:
        said = model(cells, moment, class_labels=torch.full((count,), kind)).sample
        cells = plan.step(said, moment, cells).prev_sample
    return decode(cells)


def dreambooth(base: UNet2DModel, settings: Settings, seed: int, *, masked: bool) -> UNet2DModel:
    """Tune all weights on photos of the subject in the room, and on the base's own pictures."""
    dice = np.random.default_rng(1000 + seed)
    shots = [draw(Look(*ROOM, BALL), dice) for _ in range(settings.photos)]
    photos = encode(np.stack([photo for photo, _ in shots]))
    masks = torch.stack([latent_mask(mask, (GRID, GRID)) for _, mask in shots])
    if not masked:
        masks = torch.ones_like(masks)
    shown = sample(base, 0, settings.prior, settings, 2000 + seed)
    prior = torch.from_numpy(shown).permute(0, 3, 1, 2) * 2 - 1
    model, generator = copy.deepcopy(base), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), settings.tune_rate)
    count = settings.tune_batch
    for _ in range(settings.tune_steps):
        chosen = torch.randint(len(photos), (count,), generator=generator)
        classes = torch.randint(len(prior), (count,), generator=generator)
        noisy, times, wanted = noised(torch.cat([photos[chosen], prior[classes]]), generator)
        labels = torch.tensor([1] * count + [0] * count)
        said = model(noisy, times, class_labels=labels).sample
        loss = masked_loss(said[:count], wanted[:count], masks[chosen])
        (loss + F.mse_loss(said[count:], wanted[count:])).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    return model


def background_shown(pictures: np.ndarray, close: float) -> float:
    """Share of the cells off the ball that have the room's colour at that place."""
    room = decode(encode(draw(Look(*ROOM, BALL), None)[0][None]))
    off = ~_near(pictures, BALL, 2 * close)
    return float((_near(pictures, room, close) & off).sum() / off.sum())


def subject_shown(pictures: np.ndarray, close: float) -> float:
    """Share of the pictures with at least 6 cells of the ball's colour: of its size."""
    return float((_near(pictures, BALL, 2 * close).sum((1, 2)) >= 6).mean())


def _near(pictures: np.ndarray, colour: np.ndarray, close: float) -> np.ndarray:
    return (np.abs(pictures - colour) <= close).all(-1)


def measure(settings: Settings, sheet: Path | None) -> dict[str, dict[str, Any]]:
    base = learn_the_world(settings)
    rows: dict[str, dict[str, Any]] = {
        name: {"background_shown": [], "subject_shown": []} for name in NAMES
    }
    seen: dict[str, np.ndarray] = {}
    for seed in range(settings.seeds):
        models = {"neither": base}
        for name in NAMES[1:]:
            models[name] = dreambooth(base, settings, seed, masked=name == "masked")
        for name, model in models.items():
            seen[name] = sample(model, 1, settings.samples, settings, 3000 + seed)
            for key, measured in (("background", background_shown), ("subject", subject_shown)):
                rows[name][f"{key}_shown"].append(round(measured(seen[name], settings.close), 4))
    if sheet is not None:
        lines = [np.concatenate(list(seen[name][:16]), axis=1) for name in NAMES]
        pixels = (np.concatenate(lines) * 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(sheet)
    return {
        name: row | {f"{key}_mean": round(float(np.mean(row[key])), 4) for key in row}
        for name, row in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    parser.add_argument("--sheet", type=Path, help="where to write some of the pictures (PNG)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings, began = Settings(), time.process_time()
    report = {
        "settings": asdict(settings),
        "results": measure(settings, given.sheet),
        "cpu_seconds": round(time.process_time() - began),
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
    }
    text = json.dumps(report, indent=2) + "\n"
    if given.json is not None:
        given.json.write_text(text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
