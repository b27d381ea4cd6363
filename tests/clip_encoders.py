"""Small video encoders whose every feature is known, and films of one colour for them."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from unlabeled.contracts import ClipSpec, Label, Point, Survey, VideoItem


class Steps(nn.Module):
    """The mean red of each frame of a clip, its sign changes with time: a vector of frames - 1 steps and one mean."""

    def __init__(self, frames):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(frames))

    def forward(self, clips):
        red = clips[:, 0].mean((2, 3))
        return torch.cat([red.diff(dim=1) * 10, red.mean(1, keepdim=True)], 1) * self.scale


class StepEncoder:
    """Role video."""

    space = None

    def __init__(self, frames=4, step=1, size=8):
        self.clip = ClipSpec(frames, step, size)
        self.points = {"steps": Point("steps", frames)}
        self.net = Steps(frames)
        self.shown = []

    @torch.no_grad()
    def encode_clip(self, clips, point):
        self.shown.append(tuple(clips.shape))
        return self.net(clips)

    def trunk(self, point):
        return self.net


def red_film(folder, reds):
    """Frames of one colour as a folder of pictures."""
    folder.mkdir(parents=True)
    for k, red in enumerate(reds):
        Image.new("RGB", (16, 12), (int(red), 40, 90)).save(folder / f"{k:05d}.png")
    return folder


def rising_and_falling(root, groups=8, tested=2, frames=12, dataset="ucf101"):
    """Class 0 gets redder, class 1 less red, from any start: a survey with split 1 to 3 alike."""
    draw, items = np.random.default_rng(0), []
    for target, action in enumerate(("GrowFast", "GrowSlow")):
        for group in range(1, groups + 1):
            reds = draw.uniform(0, 60) + draw.uniform(8, 14) * np.arange(frames)
            name = f"{action}/v_g{group:02d}"
            path = red_film(root / name, reds if target == 0 else reds[::-1])
            side = "test" if group <= tested else "train"
            items.append(VideoItem(name, path, target, f"{action}/g{group:02d}", (side,) * 3))
    counts = {"clips": len(items)}
    return Survey(
        dataset, root, "", tuple(items), ("GrowFast", "GrowSlow"), (), counts, counts, Label(("world",), ""), ""
    )
