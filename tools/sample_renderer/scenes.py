"""The seven places where the plush dog was photographed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_renderer import grounds, props
from tools.sample_renderer.render import Camera, Light, Setting
from tools.sample_renderer.tracer import Thing, matrix

if TYPE_CHECKING:
    from collections.abc import Callable

RED, BLUE, YELLOW = (0.50, 0.035, 0.03), (0.03, 0.11, 0.40), (0.70, 0.42, 0.03)
GREEN, IVORY = (0.04, 0.25, 0.08), (0.78, 0.72, 0.60)


def _dog(x: float, z: float, turn: float, size: float = 1.0, lean: float = 0.0) -> Thing:
    pose = matrix((x, 0, z), (size,) * 3, (0, turn, lean))
    return props.plush_animal("dog", props.CARAMEL, pose)


def _block(x: float, y: float, z: float, turn: float, colour: tuple) -> Thing:
    return props.block(matrix((x, y, z), (0.27,) * 3, (0, turn, 0)), colour)


def reference() -> Setting:
    """Alone on a pale table, daylight from the left."""
    return Setting(
        (_dog(0, 0, -16),),
        grounds.planks((0.46, 0.38, 0.28), (0.66, 0.58, 0.46), 1.4),
        grounds.plaster((0.50, 0.56, 0.58)),
        Light((-0.6, 1.0, 0.75)),
        Camera((0, 1.5, 5.2), (0, 0.84, 0), 32),
    )


def playroom() -> Setting:
    """Among blocks and a ball on a wooden floor."""
    things = (
        _dog(-0.75, 0.1, 28),
        props.ball(matrix((0.75, 0.42, 0.55), (0.42,) * 3, (25, 40, 10)), RED, IVORY),
        _block(1.7, 0.27, -0.6, 20, BLUE),
        _block(1.72, 0.81, -0.62, -8, YELLOW),
        _block(-2.1, 0.27, 0.5, 35, GREEN),
    )
    return Setting(
        things,
        grounds.planks((0.20, 0.09, 0.035), (0.46, 0.25, 0.10)),
        grounds.plaster((0.56, 0.50, 0.36)),
        Light((0.7, 1.0, 0.6)),
        Camera((0.2, 1.8, 6.2), (0.1, 0.75, 0), 36),
    )


def meadow() -> Setting:
    """Smaller, outdoors, in hard sun."""
    things = (
        _dog(1.0, -0.9, -38, 0.95),
        props.ball(matrix((-1.15, 0.4, 0.5), (0.4,) * 3, (70, 20, 0)), BLUE, YELLOW),
    )
    light = Light((0.9, 1.1, 0.5), (1.45, 1.32, 1.05), (0.34, 0.44, 0.60), (0.12, 0.17, 0.06), 0.03)
    camera = Camera((-0.3, 1.7, 6.6), (0.1, 0.9, 0), 38)
    return Setting(things, grounds.grass, grounds.trees, light, camera, 8.0, 0.010)


def bookcase() -> Setting:
    """By lamplight on books, a mug and a plant beside it."""
    things = (
        props.plush_animal("dog", props.CARAMEL, matrix((0.55, 0.42, 0), (0.9,) * 3, (0, 6, 0))),
        props.book(matrix((0.62, 0, 0.1), (0.95, 1.04, 0.95), (0, 8, 0)), BLUE),
        props.mug(matrix((-0.75, 0, 0.75), (0.85,) * 3, (0, 215, 0)), RED, IVORY),
        props.plant(matrix((-1.75, 0, -0.6), (1.0,) * 3)),
    )
    light = Light(
        (-0.8, 0.9, 0.8), (1.25, 0.86, 0.48), (0.26, 0.22, 0.20), (0.20, 0.12, 0.06), 0.14
    )
    ground = grounds.planks((0.10, 0.04, 0.015), (0.24, 0.11, 0.04), 2.0)
    camera = Camera((-0.1, 1.6, 6.0), (-0.25, 0.95, 0), 36)
    return Setting(things, ground, grounds.shelves, light, camera, 3.2, 0.005)


def companions() -> Setting:
    """On a rug at dusk between two other plush animals."""
    things = (
        _dog(0.05, 0.25, 12, 0.92),
        props.plush_animal("bear", props.GREY, matrix((-1.42, 0, -0.25), (0.95,) * 3, (0, 26, 0))),
        props.plush_animal("polar", props.WHITE, matrix((1.5, 0, -0.35), (0.9,) * 3, (0, -24, 0))),
    )
    light = Light(
        (-0.9, 0.9, 0.55), (0.72, 0.76, 0.92), (0.26, 0.29, 0.40), (0.13, 0.11, 0.10), 0.16
    )
    camera = Camera((0, 2.0, 6.0), (0, 0.72, 0), 36)
    return Setting(things, grounds.rug, grounds.window, light, camera, 4.5, 0.006)


def behind() -> Setting:
    """Half hidden behind a mug and blocks."""
    things = (
        _dog(0.1, -0.5, -22, 1.0),
        props.mug(matrix((0.62, 0, 0.75), (0.78,) * 3, (0, -25, 0)), (0.03, 0.22, 0.24), IVORY),
        _block(-0.62, 0.27, 0.62, 24, RED),
        _block(-1.22, 0.27, 0.25, -12, YELLOW),
    )
    cloth = grounds.checks((0.70, 0.68, 0.62), (0.09, 0.20, 0.42), 0.36)
    return Setting(
        things,
        cloth,
        grounds.plaster((0.62, 0.60, 0.55)),
        Light((0.5, 1.0, 0.9), softness=0.16),
        Camera((0.35, 1.75, 5.6), (0, 0.78, 0), 34),
    )


def picnic() -> Setting:
    """Close, tipped over, on a red checked cloth, seen from above."""
    things = (
        props.plush_animal(
            "dog", props.CARAMEL, matrix((0.72, 0.50, -0.1), (1.05,) * 3, (0, -8, 86))
        ),
        props.ball(matrix((1.45, 0.3, 0.7), (0.3,) * 3, (10, 80, 30)), GREEN, IVORY),
    )
    cloth = grounds.checks((0.72, 0.66, 0.58), (0.46, 0.03, 0.03), 0.30)
    light = Light((-0.5, 1.2, 0.7), (1.3, 1.2, 1.0), (0.36, 0.42, 0.52), (0.25, 0.13, 0.11), 0.05)
    camera = Camera((0.1, 2.9, 4.9), (0, 0.45, 0), 34)
    return Setting(things, cloth, grounds.trees, light, camera, 12.0, 0.010)


SETTINGS: tuple[Callable[[], Setting], ...] = (
    reference,
    playroom,
    meadow,
    bookcase,
    companions,
    behind,
    picnic,
)
