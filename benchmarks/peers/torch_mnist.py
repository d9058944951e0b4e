"""The tutorial's MNIST net in plain PyTorch: a DataLoader, Adam, batch 32, a loop.

    python torch_mnist.py FOLDER [--epochs 2] [--layout channels_last] [--workers 0]

Without workers, because tensors in memory are indexed faster than a process hands them over. The
last line is JSON.
"""

import argparse
import json
import time

import digits
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=60_000, help="to learn from")
    parser.add_argument("--layout", choices=LAYOUTS, default="contiguous")
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    images, labels = tensors(given.folder, "train")
    loader = DataLoader(TensorDataset(images[: given.images], labels[: given.images]), 32,
                        shuffle=True, num_workers=given.workers,
                        persistent_workers=given.workers > 0)
    net = tutorial_net().to(memory_format=LAYOUTS[given.layout])
    optimizer = torch.optim.Adam(net.parameters())
    seconds = [epoch(net, optimizer, loader, LAYOUTS[given.layout]) for _ in range(given.epochs)]
    print(json.dumps({"accuracy": accuracy(net, *tensors(given.folder, "t10k")),
                      "epochs": given.epochs, "epoch_seconds": seconds,
                      "versions": {"torch": torch.__version__}}))


def tensors(folder: str, part: str) -> tuple[Tensor, Tensor]:
    """Images (count, 1, 28, 28) from 0 to 1, and labels."""
    images, labels = map(torch.tensor, digits.read(folder, part))
    return images[:, None] / 255, labels.long()


def tutorial_net() -> nn.Module:
    """(batch, 1, 28, 28) -> logits (batch, 10)."""
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(13 * 13 * 32, 128), nn.ReLU(), nn.Linear(128, 10))


def epoch(net: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader,
          layout: torch.memory_format) -> float:
    """Learn from every batch once; gives the seconds."""
    began = time.perf_counter()
    net.train()
    for images, labels in loader:
        loss = cross_entropy(net(images.to(memory_format=layout)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


@torch.inference_mode()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The fraction that is named rightly."""
    net.eval()
    right = sum((net(some).argmax(1) == true).sum().item()
                for some, true in zip(images.split(1000), labels.split(1000), strict=True))
    return right / len(labels)


if __name__ == "__main__":
    main()
