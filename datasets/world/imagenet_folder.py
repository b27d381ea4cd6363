"""The synthetic `imagenet_folder`: pictures of one thing each, in the official layout.

    imagenet_folder/train/n9000{kind}/n9000{kind}_{number}.JPEG
    imagenet_folder/val/n9000{kind}/ILSVRC2012_val_{number}.JPEG

A thing stands upright within 15 degrees, outline and texture alike, for methods that predict how a picture was
turned. Nothing else says where up is: no horizon, no light from one side, no shadow. Scene, place, size and light are
drawn from distributions that do not depend on the kind, and the thing keeps off the border.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from unlabeled.datasets.world import render
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import WorldFile, jpeg_file
from unlabeled.datasets.world.knobs import IMAGENET_FOLDER
from unlabeled.datasets.world.render import Individual, Place
from unlabeled.streams import stream

PARTS = ("train", "val")


@dataclass(frozen=True)
class Picture:
    """One picture; `member` counts those of a kind in a part, `number` is that in its name."""

    preset: str
    seed: int
    part: str
    kind: int
    member: int
    number: int

    @property
    def name(self) -> str:
        """Path below the set's folder, in the official grammar."""
        synset = f"n9000{self.kind:04d}"
        file = f"{synset}_{self.number}" if self.part == "train" else f"ILSVRC2012_val_{self.number:08d}"
        return f"{self.part}/{synset}/{file}.JPEG"

    def stream(self, purpose: str) -> np.random.Generator:
        """Draws of this picture alone."""
        return stream(self.seed, "imagenet_folder", self.part, self.kind, self.member, purpose)


def items(preset: str, seed: int) -> tuple[Picture, ...]:
    """All pictures of a set, by part and kind."""
    size = IMAGENET_FOLDER.sizes[preset]
    # Numbers of the official validation pictures are shuffled over the classes.
    numbers = 1 + stream(seed, "imagenet_folder", "val").permutation(size.kinds * size.val)
    train = [Picture(preset, seed, "train", kind, k, k) for kind in range(size.kinds) for k in range(size.train)]
    val = [
        Picture(preset, seed, "val", kind, k, int(numbers[kind * size.val + k]))
        for kind in range(size.kinds)
        for k in range(size.val)
    ]
    return (*train, *val)


def files(picture: Picture) -> Iterable[WorldFile]:
    """The file of one picture."""
    yield jpeg_file(picture.name, render_picture(picture), IMAGENET_FOLDER.quality)


def tables(preset: str, pictures: Iterable[Picture]) -> Iterable[WorldFile]:
    """None: the names of the folders say all."""
    return ()


def individual(picture: Picture) -> Individual:
    """A thing of the kind, upright: one lobe points up, the axes of the texture run across and down."""
    look = KINDS[picture.kind].look
    who = render.individual(look, picture.stream("look"))
    return replace(who, phase=look.lobes * np.pi / 2.0, angle=0.0)


def place(picture: Picture) -> Place:
    """Where it stands: anywhere, as long as its sprite stays away from the border."""
    pixels, rng = IMAGENET_FOLDER.sizes[picture.preset].pixels, picture.stream("place")
    size = pixels * rng.uniform(*IMAGENET_FOLDER.size)
    angle = rng.uniform(-1.0, 1.0) * IMAGENET_FOLDER.tilt
    # Half of a turned square, and a little more.
    margin = size / 2.0 * (np.cos(angle) + abs(np.sin(angle))) + IMAGENET_FOLDER.border * pixels
    x, y = rng.uniform(min(margin, pixels / 2.0), max(pixels - margin, pixels / 2.0), 2)
    return Place(float(x), float(y), float(size), float(angle))


def render_picture(picture: Picture) -> np.ndarray:
    """Make one picture, uint8 `(h, w, 3)`; a pure function of the picture and the knobs."""
    pixels, rng = IMAGENET_FOLDER.sizes[picture.preset].pixels, picture.stream("ground")
    scene = SCENES[rng.integers(len(SCENES))]
    ground = render.backdrop(scene, pixels, pixels, np.zeros((1, 2)), IMAGENET_FOLDER.contrast, rng)
    frame = render.view(ground, np.zeros(2), pixels, pixels)
    stamp = render.stamp(render.sprite(individual(picture)), place(picture), pixels, pixels)
    assert stamp is not None  # its place is in the frame
    render.paste(frame, stamp)
    light = render.gains(1, IMAGENET_FOLDER.light, picture.stream("light"))
    return render.sensor(frame[None], light, IMAGENET_FOLDER.noise, picture.stream("noise"))[0]
