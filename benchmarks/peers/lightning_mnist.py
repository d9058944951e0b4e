"""The tutorial's MNIST net in Lightning: Adam, batch 32.

    python lightning_mnist.py FOLDER [--epochs 2]

Without logger, checkpoints, bar and summary, which only cost time. The last line is JSON.
"""

import argparse
import json
import logging
import time
import warnings

import lightning
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torch_mnist import accuracy, tensors, tutorial_net


class Classifier(lightning.LightningModule):
    """The net with its loss, its optimizer and the seconds of its epochs."""

    def __init__(self):
        super().__init__()
        self.net, self.seconds = tutorial_net(), []

    def training_step(self, batch, index):
        images, labels = batch
        return cross_entropy(self.net(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())

    def on_train_epoch_start(self):
        self.began = time.perf_counter()

    def on_train_epoch_end(self):
        self.seconds.append(time.perf_counter() - self.began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=60_000, help="to learn from")
    given = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    lightning.seed_everything(given.seed, verbose=False)
    images, labels = tensors(given.folder, "train")
    loader = DataLoader(TensorDataset(images[: given.images], labels[: given.images]), 32,
                        shuffle=True)
    model = Classifier()
    lightning.Trainer(max_epochs=given.epochs, accelerator="cpu", logger=False,
                      enable_checkpointing=False, enable_progress_bar=False,
                      enable_model_summary=False).fit(model, loader)
    print(json.dumps({"accuracy": accuracy(model.net, *tensors(given.folder, "t10k")),
                      "epochs": given.epochs, "epoch_seconds": model.seconds,
                      "versions": {"lightning": lightning.__version__,
                                   "torch": torch.__version__}}))


if __name__ == "__main__":
    main()
