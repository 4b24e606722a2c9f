"""The same nets in plain PyTorch, for `benchmarks/distillation.py`: the loop that one writes without a library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_VGG = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
_FIRES = ((16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))


def vgg16(frame_size: tuple[int, int], classes: int, hidden: int) -> nn.Module:
    """VGG-16 on one channel: five blocks, two dense layers of `hidden` units, logits; batch normalised."""
    layers: list[nn.Module] = []
    channels, height, width = 1, *frame_size
    for filters, count in _VGG:
        for _ in range(count):
            layers.append(_block(channels, filters, 3))
            channels = filters
        layers.append(nn.MaxPool2d(2))
        height, width = height // 2, width // 2
    layers.append(nn.Flatten())
    for inputs in (channels * height * width, hidden):
        layers += [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(hidden, classes))


class _Fire(nn.Module):
    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = _block(channels, squeeze, 1)
        self.expand1, self.expand3 = _block(squeeze, expand, 1), _block(squeeze, expand, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze(x)
        return torch.cat([self.expand1(x), self.expand3(x)], dim=1)


def _block(channels: int, filters: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True))


def squeezenet_1_1(classes: int, scale: Callable[[int], int]) -> nn.Module:
    """SqueezeNet 1.1 with batch normalisation; `scale` maps a published channel count to the one that is used."""
    channels = scale(64)
    layers: list[nn.Module] = [_block(1, channels, 3, 2), nn.MaxPool2d(3, 2, 1)]
    for fire in _FIRES:
        if fire is None:
            layers.append(nn.MaxPool2d(3, 2, 1))
            continue
        squeeze, expand = scale(fire[0]), scale(fire[1])
        layers.append(_Fire(channels, squeeze, expand))
        channels = 2 * expand
    layers += [nn.Dropout(0.2), nn.Conv2d(channels, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


def parameters(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def epoch(
    teacher: nn.Module | None, student: nn.Module, batches: Iterator[tuple], steps: int, temperature: float = 4.0
) -> Callable[[], None]:
    """A function that runs one epoch of cross-entropy and KL on `steps` batches of (features, label, weight)."""
    optimizer = torch.optim.AdamW(student.parameters())
    student.train()
    if teacher is not None:
        teacher.eval()

    def run() -> None:
        for _ in range(steps):
            features, label, _ = next(batches)
            frame = torch.from_numpy(np.ascontiguousarray(features["frame"].numpy().transpose(0, 3, 1, 2)))
            target = torch.from_numpy(label.numpy().astype(np.int64))
            logits = student(frame)
            loss = functional.cross_entropy(logits, target)
            if teacher is not None:
                with torch.inference_mode():
                    soft = functional.softmax(teacher(frame) / temperature, dim=1)
                distance = functional.kl_div(
                    functional.log_softmax(logits / temperature, dim=1), soft.clone(), reduction="batchmean"
                )
                loss = 0.3 * loss + 0.7 * temperature**2 * distance
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return run
