"""A setting to a photo: camera, light and shadow, and what a real camera adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from tools.sample_renderer.tracer import FAR, Hits, Thing, blocked, part_bounds, rgb, trace

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 2  # rays per pixel and side


@dataclass(frozen=True)
class Light:
    """A lamp far away, and the soft light of everything else; colours are linear RGB.

    Attributes:
        towards: direction to the lamp.
        lamp, sky, bounce: colours of the lamp, of what comes from above, and from below.
        softness: half width of the lamp as seen from the things, as a tangent.
    """

    towards: tuple[float, float, float]
    lamp: tuple[float, float, float] = (1.0, 0.95, 0.86)
    sky: tuple[float, float, float] = (0.42, 0.46, 0.52)
    bounce: tuple[float, float, float] = (0.20, 0.17, 0.14)
    softness: float = 0.10


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from: ``eye`` and ``target`` in the world, view in degrees."""

    eye: tuple[float, float, float] = (0.0, 1.7, 6.0)
    target: tuple[float, float, float] = (0.0, 0.8, 0.0)
    view: float = 36.0

    def rays(self, height: int, width: int) -> np.ndarray:
        """Unit directions through the middles of all pixels, ``(height * width, 3)``."""
        forward = np.subtract(self.target, self.eye, dtype=np.float64)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        reach = np.tan(np.radians(self.view) / 2)
        x = (np.arange(width) + 0.5) / width * 2 - 1
        y = (np.arange(height) + 0.5) / height * 2 - 1
        across = x[None, :, None] * reach * right
        down = y[:, None, None] * reach * height / width * np.cross(right, forward)
        rays = (forward + across - down).reshape(-1, 3)
        return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Setting:
    """Everything in front of the camera.

    Attributes:
        things: the object first, then what stands around.
        ground, wall: colours at points of the plane y = 0 and of the plane z = -depth.
        depth: how far behind the origin the wall stands.
        blur: how soft the wall is, as a share of the picture's width.
    """

    things: tuple[Thing, ...]
    ground: Callable[[np.ndarray], np.ndarray]
    wall: Callable[[np.ndarray], np.ndarray]
    light: Light
    camera: Camera = Camera()
    depth: float = 5.0
    blur: float = 0.006


@dataclass(frozen=True, eq=False)
class Surface:
    """What every ray ends on.

    Attributes:
        points, normals, colours: ``(n, 3)``.
        gloss: ``(n,)``, strength of the highlight.
        fuzz: ``(n,)``, raggedness, which must not cast shadows on itself.
        on_wall: ``(n,)`` bool.
        part: ``(n,)``, index of the part, -1 on ground and wall.
    """

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    gloss: np.ndarray
    fuzz: np.ndarray
    on_wall: np.ndarray
    part: np.ndarray


def photograph(
    setting: Setting, height: int, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render a setting.

    Returns:
        ``(height, width, 3)`` uint8 RGB, and the ``(height, width)`` bool mask of the first thing.
    """
    shape = (height * SAMPLES, width * SAMPLES)
    rays = setting.camera.rays(*shape)
    eye = np.asarray(setting.camera.eye, dtype=np.float32)
    hits = trace(setting.things, eye, rays, seed)
    surface = _surface(setting, hits, eye, rays)
    light = _lit(setting, surface, rays, seed).reshape(*shape, 3)
    light = _out_of_focus(light, surface.on_wall.reshape(shape), setting.blur * shape[1])
    owned = (surface.part >= 0) & (surface.part < len(setting.things[0].parts))
    mask = _shrink(owned.reshape(*shape, 1).astype(np.float32))[..., 0] >= 0.5
    return _develop(_shrink(light), seed), mask


def _surface(setting: Setting, hits: Hits, eye: np.ndarray, rays: np.ndarray) -> Surface:
    with np.errstate(divide="ignore"):
        floor = np.where(rays[:, 1] < 0, -eye[1] / rays[:, 1], FAR)
        wall = np.where(rays[:, 2] < 0, (-setting.depth - eye[2]) / rays[:, 2], FAR)
    distance = np.minimum(hits.distance, np.minimum(floor, wall)).astype(np.float32)
    points = eye + distance[:, None] * rays
    on_floor, on_wall = distance == floor.astype(np.float32), distance == wall.astype(np.float32)
    on_wall &= ~on_floor
    normals = hits.normal.copy()
    normals[on_floor], normals[on_wall] = (0, 1, 0), (0, 0, 1)
    colours = np.zeros_like(points)
    gloss, fuzz = np.zeros((2, len(points)), dtype=np.float32)
    colours[on_floor] = setting.ground(points[on_floor])
    colours[on_wall] = setting.wall(points[on_wall])
    seen = np.where(on_floor | on_wall, -1, hits.part)  # parts may reach below the ground
    index = 0
    for thing in setting.things:
        back = np.linalg.inv(thing.pose).astype(np.float32)
        for part in thing.parts:
            rows = np.flatnonzero(seen == index)
            colours[rows] = part.paint(points[rows] @ back[:3, :3].T + back[:3, 3])
            gloss[rows], fuzz[rows] = part.gloss, part.fuzz
            index += 1
    return Surface(points, normals, colours, gloss, fuzz, on_wall, seen)


def _lit(setting: Setting, surface: Surface, rays: np.ndarray, seed: int) -> np.ndarray:
    """Colour that reaches the camera: soft light from around, the lamp, and its reflection."""
    light, normals = setting.light, surface.normals
    spread = np.random.default_rng(seed).uniform(-1, 1, size=rays.shape).astype(np.float32)
    middle = np.asarray(light.towards, dtype=np.float32) / np.linalg.norm(light.towards)
    towards = middle + light.softness * spread
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    facing = np.einsum("ij,ij->i", normals, towards)
    seen = np.zeros(len(rays), dtype=np.float32)
    rows = np.flatnonzero((facing > 0) & ~surface.on_wall)
    lift = (0.004 + 0.35 * surface.fuzz[rows])[:, None] * normals[rows]
    seen[rows] = ~blocked(setting.things, surface.points[rows] + lift, towards[rows])
    seen[surface.on_wall] = 1
    up = (normals[:, 1:2] + 1) / 2
    around = up * rgb(light.sky) + (1 - up) * rgb(light.bounce)
    around *= _openness(setting, surface)[:, None]
    direct = (seen * np.maximum(facing, 0))[:, None] * rgb(light.lamp)
    half = towards - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.maximum(np.einsum("ij,ij->i", normals, half), 0) ** 60 * surface.gloss * seen
    return surface.colours * (around + direct) + shine[:, None] * rgb(light.lamp)


def _openness(setting: Setting, surface: Surface) -> np.ndarray:
    """Share of the surroundings that nearby parts leave open, 0..1: every part a ball."""
    open_ = np.ones(len(surface.points), dtype=np.float32)
    rows = np.flatnonzero(~surface.on_wall)
    for thing in setting.things:
        middle, reach = thing.bounds()
        near = rows[
            np.abs(surface.points[rows] - middle.astype(np.float32)).max(axis=1) < 1.6 * reach
        ]
        for part in thing.parts:
            centre, _ = part_bounds(thing, part)
            size = abs(np.linalg.det((thing.pose @ part.place)[:3, :3])) ** (1 / 3)
            to = centre.astype(np.float32) - surface.points[near]
            square = np.einsum("ij,ij->i", to, to)
            over = np.maximum(np.einsum("ij,ij->i", to, surface.normals[near]), 0)
            open_[near] *= 1 - np.clip(over * size**2 / square**1.5, 0, 0.75)
    return open_


def _out_of_focus(light: np.ndarray, far: np.ndarray, sigma: float) -> np.ndarray:
    """Blur the wall alone, so that nothing in front of it bleeds into it."""
    weight = far[..., None].astype(np.float32)
    spread = (sigma, sigma, 0)
    share = ndimage.gaussian_filter(weight, spread)
    soft = ndimage.gaussian_filter(light * weight, spread) / np.maximum(share, 1e-3)
    return np.where(far[..., None], soft, light)


def _shrink(fine: np.ndarray) -> np.ndarray:
    height, width, channels = fine.shape
    tiles = fine.reshape(height // SAMPLES, SAMPLES, width // SAMPLES, SAMPLES, channels)
    return tiles.mean(axis=(1, 3))


def _develop(light: np.ndarray, seed: int) -> np.ndarray:
    """Lens softness, darker corners, sensor noise, a film curve: linear light to uint8 sRGB."""
    height, width, _ = light.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = ndimage.gaussian_filter(light, (0.45, 0.45, 0)) * (1 - 0.10 * (x**2 + y**2))[..., None]
    light = light + np.random.default_rng(seed).normal(0, 0.006, light.shape) * np.sqrt(
        light + 0.05
    )
    curve = np.clip(light, 0, None)
    curve = curve * (1 + curve / 4) / (1 + curve)  # whites roll off instead of clipping
    return (np.clip(curve * 1.22, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
