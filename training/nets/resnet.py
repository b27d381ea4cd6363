"""Residual networks of torchvision as trunks, always with random weights: nothing is ever downloaded.

Source: K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016; torchvision's form.
"""

from __future__ import annotations

from torch import nn
from torchvision import models  # type: ignore[import-untyped]

from unlabeled.contracts import Point
from unlabeled.training.nets.encoders import Colours, Trunk
from unlabeled.training.sizes import Size

SIZE = 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resnet18(size: Size = SIZE) -> Trunk:
    """18 layers, 512 channels at the end; pictures of any size."""
    return _trunk(models.resnet18(weights=None), size)


def resnet50(size: Size = SIZE) -> Trunk:
    """50 layers, 2,048 channels at the end; pictures of any size."""
    return _trunk(models.resnet50(weights=None), size)


def _trunk(net: models.ResNet, size: Size) -> Trunk:
    """Points block1 .. block4 and their mean over the map, `pool`; without the classifier."""
    blocks: dict[str, nn.Module] = {"stem": nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)}
    blocks |= {"block1": net.layer1, "block2": net.layer2, "block3": net.layer3, "block4": net.layer4}
    blocks["pool"] = nn.Sequential(net.avgpool, nn.Flatten())
    dim = net.fc.in_features
    points = [Point(f"block{k}", dim // 2 ** (4 - k), stride=2 ** (k + 1)) for k in range(1, 5)]
    return Trunk(Colours(IMAGENET_MEAN, IMAGENET_STD), blocks, (*points, Point("pool", dim)), size)
