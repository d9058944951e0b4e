"""TensorFlow's MNIST tutorial: Conv 32 3x3, max-pool 2, Dense 128, Dense 10; Adam, batch 32.

    python keras_mnist.py FOLDER [--epochs 2] [--until 0.9833]

Keras' own fit over arrays in memory, compiled as Keras chooses. The last line is JSON.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import digits  # noqa: E402
import keras  # noqa: E402
import tensorflow  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--until", type=float, help="stop once an epoch ends with this accuracy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=60_000, help="to learn from")
    given = parser.parse_args()
    keras.utils.set_random_seed(given.seed)
    images, labels = (part[: given.images] for part in digits.read(given.folder, "train"))
    test_images, test_labels = digits.read(given.folder, "t10k")
    images, test_images = (part[..., None].astype("float32") / 255
                           for part in (images, test_images))
    net = keras.Sequential([
        keras.Input((28, 28, 1)), keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(), keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)])
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"])
    seconds, accuracy = [], 0.0
    while len(seconds) < given.epochs and not (given.until and accuracy >= given.until):
        began = time.perf_counter()
        net.fit(images, labels, batch_size=32, verbose=0)
        seconds.append(time.perf_counter() - began)
        if given.until or len(seconds) == given.epochs:
            accuracy = net.evaluate(test_images, test_labels, batch_size=1000, verbose=0)[1]
    print(json.dumps({"accuracy": accuracy, "epochs": len(seconds), "epoch_seconds": seconds,
                      "versions": {"keras": keras.__version__,
                                   "tensorflow": tensorflow.__version__}}))


if __name__ == "__main__":
    main()
