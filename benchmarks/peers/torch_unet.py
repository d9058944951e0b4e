"""A U-Net for nuclei in plain PyTorch, as tutorials write it: Adam, cross-entropy, flips, a loop.

    python torch_unet.py NUCLEI.npz [--minutes 5] [--seed 0]

Learns until the minutes are over, scores the validation part ten times, keeps the best weights and
scores the test part once. The last line is JSON.
"""

import argparse
import copy
import json
import time

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

WIDTHS = (16, 32, 64, 128, 256)


class UNet(nn.Module):
    """(batch, 1, height, width) -> logits, the same shape; sides are multiples of 16."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(double(a, b) for a, b in zip((1, *WIDTHS), WIDTHS))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in WIDTHS[:-1])
        self.join = nn.ModuleList(double(2 * w, w) for w in WIDTHS[:-1])
        self.out = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for number, down in enumerate(self.down):
            x = down(max_pool2d(x, 2) if number else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up[::-1], self.join[::-1]):
            x = join(torch.cat([skips.pop(), up(x)], 1))
        return self.out(x)


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with normalisation and ReLU."""
    layers = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    torch.manual_seed(given.seed)
    parts = {name: torch.from_numpy(values)[:, None].float()
             for name, values in numpy.load(given.file).items()}
    mean, deviation = parts["train_images"].mean(), parts["train_images"].std()
    for part in ("train", "validation", "test"):
        parts[f"{part}_images"] = (parts[f"{part}_images"] - mean) / deviation
    net = UNet()
    optimizer = torch.optim.Adam(net.parameters())
    best, steps, looked = (-1.0, None), 0, 0
    while (spent := (time.perf_counter() - began) / (60 * given.minutes)) < 1:
        learn(net, optimizer, parts["train_images"], parts["train_masks"])
        steps += 1
        if spent > (looked + 1) / 11:
            looked += 1
            score = dice(net, parts["validation_images"], parts["validation_masks"])
            best = max(best, (score, copy.deepcopy(net.state_dict())), key=lambda pair: pair[0])
    if best[1] is not None:
        net.load_state_dict(best[1])
    print(json.dumps({"dice": dice(net, parts["test_images"], parts["test_masks"]),
                      "validation_dice": best[0], "steps": steps,
                      "versions": {"torch": torch.__version__}}))


def learn(net: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, masks: Tensor) -> None:
    """One step on 8 pictures drawn at random, mirrored at random."""
    net.train()
    chosen = torch.randint(len(images), (8,))
    image, mask = images[chosen], masks[chosen]
    for axis in (2, 3):
        if torch.rand(()) < 0.5:
            image, mask = image.flip(axis), mask.flip(axis)
    loss = binary_cross_entropy_with_logits(net(image), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.inference_mode()
def dice(net: nn.Module, images: Tensor, masks: Tensor) -> float:
    """The Dice coefficient of each picture, the mean over them; 1 where both are empty."""
    net.eval()
    found = []
    for image, mask in zip(images.split(8), masks.split(8)):
        answer = (net(image) > 0).float()
        shared, both = ((answer * mask).sum((1, 2, 3)), (answer + mask).sum((1, 2, 3)))
        found.append(torch.where(both > 0, 2 * shared / both.clamp(min=1), 1.0))
    return torch.cat(found).mean().item()


if __name__ == "__main__":
    main()
