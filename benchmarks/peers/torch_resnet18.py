"""ResNet-18 for CIFAR-10 in a plain loop that ends when its minutes are over.

    python torch_resnet18.py FILE.npz --minutes 5

He et al. 2016 with a 3x3 stem and no pooling after it; SGD with momentum 0.9, weight decay 5e-4,
batch 128, step size up to 0.1 in the first fifth of the time and down to 0 at its end; shifts by up
to 4 pixels and flips, on whole batches; channels last. Reading the file and the final test are not
counted. The last line is JSON.
"""

import argparse
import json
import math
import time

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

BATCH, HIGHEST, WARMUP = 128, 0.1, 0.2


class Residual(nn.Module):
    """Two 3x3 convolutions beside the path: (batch, inputs, h, w) -> (batch, outputs, h', w')."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.path = nn.Identity() if stride == 1 and inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        return (self.body(maps) + self.path(maps)).relu()


def resnet18(width: int = 64) -> nn.Module:
    """(batch, 3, 32, 32) -> logits (batch, 10)."""
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
              nn.ReLU(inplace=True)]
    inputs = width
    for stage in range(4):
        for stride in (1 if stage == 0 else 2, 1):
            layers.append(Residual(inputs, width << stage, stride))
            inputs = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="npz: train, train_labels, test, test_labels; NHWC, uint8")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    with numpy.load(given.file) as held:
        parts = {name: torch.from_numpy(held[name]) for name in held}
    images, test = (scaled(parts[name]) for name in ("train", "test"))
    net = resnet18().to(memory_format=torch.channels_last)
    steps = learn(net, images, parts["train_labels"].long(), 60 * given.minutes)
    print(json.dumps({"accuracy": accuracy(net, test, parts["test_labels"].long()), "steps": steps,
                      "epochs": steps * BATCH / len(images),
                      "versions": {"torch": torch.__version__}}))


def scaled(pixels: Tensor) -> Tensor:
    """uint8 (count, h, w, 3) -> (count, 3, h, w), of mean 0 and deviation 1 per channel."""
    mean, deviation = torch.tensor([[0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]])
    return ((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2)


def learn(net: nn.Module, images: Tensor, labels: Tensor, seconds: float) -> int:
    """Steps until the time is over; gives how many."""
    optimizer = torch.optim.SGD(net.parameters(), HIGHEST, momentum=0.9, weight_decay=5e-4)
    began, step, order = time.perf_counter(), 0, torch.empty(0, dtype=torch.long)
    net.train()
    while (done := (time.perf_counter() - began) / seconds) < 1:
        if len(order) < BATCH:
            order = torch.randperm(len(images))
        chosen, order = order[:BATCH], order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = rate(done)
        loss = cross_entropy(net(augmented(images[chosen])), labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
    return step


def rate(done: float) -> float:
    """The step size when so much of the time is over: up in a line, down as half a cosine."""
    if done < WARMUP:
        return HIGHEST * done / WARMUP
    return 0.5 * HIGHEST * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def augmented(images: Tensor) -> Tensor:
    """Each image moved by up to 4 pixels, edges filled with zeros, and flipped half of the time."""
    count, _, height, width = images.shape
    down, right = torch.randint(0, 9, (2, count, 1))
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    wide = pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    return wide[torch.arange(count)[:, None, None], rows[:, :, None],
                columns[:, None, :]].permute(0, 3, 1, 2)


@torch.inference_mode()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The fraction that is named rightly."""
    net.eval()
    right = sum((net(some).argmax(1) == true).sum().item()
                for some, true in zip(images.split(500), labels.split(500), strict=True))
    return right / len(labels)


if __name__ == "__main__":
    main()
