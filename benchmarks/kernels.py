"""What was slow in torch on a CPU, beside what Lamina does instead: one core, in turns.

    python benchmarks/kernels.py [--repeats 200]

Each line is one piece of work at the size that a task's defaults give it, forward and backward
where it has both, done as torch does it and as Lamina does, which agree up to rounding or chance.
Writes benchmarks/results/kernels.json.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from common import parser, write
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from lamina.device import keep_memory
from lamina.nets.dropout import dropout
from lamina.nets.forecast import DLinear, smoothed
from lamina.nets.gpt import GPT, REACH
from lamina.nets.image import TutorialCNN
from lamina.task import arrange
from lamina.tasks.image_classification import ImageClassification

Work = Callable[[], object]


def main() -> None:
    asked = parser(__doc__, repeats=200)
    given = asked.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_memory(scarce=False)
    rows = []
    for name, make in KERNELS.items():
        theirs, ours = make()
        seconds = timed(given.repeats, theirs, ours)
        rows.append({"": name, "torch, ms": f"{1000 * seconds[0]:.2f}",
                     "Lamina, ms": f"{1000 * seconds[1]:.2f}",
                     "times faster": f"{seconds[0] / seconds[1]:.1f}"})
        print(rows[-1], flush=True)
    write("kernels", threads=1, table=rows)


def timed(repeats: int, *sides: Work) -> list[float]:
    """Median seconds of each side, called in turns, after a tenth as many calls that warm up."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(repeats + repeats // 10 + 1):
        for side, taken in zip(sides, times, strict=True):
            began = time.perf_counter()
            side()
            if turn > repeats // 10:
                taken.append(time.perf_counter() - began)
    return [median(taken) for taken in times]


def both_ways(work: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> Work:
    """The work and its backward pass, to what is given and to weights."""
    change = torch.ones_like(work(given))
    return lambda: work(given).backward(change)


def dead_units() -> tuple[Work, Work]:
    """A step of Adam where the running means of a quarter of the gradients have died out."""
    def step(flush: bool) -> Work:
        weight = nn.Parameter(torch.randn(128, 5408))
        weight.grad = torch.randn_like(weight) * (torch.arange(128) % 4 > 0)[:, None]
        optimizer = torch.optim.Adam([weight], fused=True)
        optimizer.step()
        optimizer.state[weight]["exp_avg"][::4] = 1e-39

        def done() -> None:
            torch.set_flush_denormal(flush)
            optimizer.step()
            torch.set_flush_denormal(False)

        return done

    return step(False), step(True)


def dropped() -> tuple[Work, Work]:
    x = torch.randn(256, 4, 256, requires_grad=True)
    return both_ways(lambda x: functional.dropout(x, 0.2), x), both_ways(
        lambda x: dropout(x, 0.2, True), x)


def moving_average() -> tuple[Work, Work]:
    window, net = torch.randn(256, 1, 336), DLinear(channels=1, context=336, size=96)
    return lambda: smoothed(window), lambda: window @ net.smoothing


def shifts() -> tuple[Work, Work]:
    net, x = GPT(65, layers=1, width=128, heads=4), torch.randn(8, 128, 128, requires_grad=True)

    def unfolded(x: torch.Tensor) -> torch.Tensor:
        windows = functional.pad(x, (0, 0, REACH, 0)).unfold(1, REACH + 1, 1)
        return x + net.convolution(windows.flatten(2))

    return both_ways(unfolded, x), both_ways(lambda x: net.convolve(x)[0], x)


def flattened() -> tuple[Work, Work]:
    net = TutorialCNN(1, 28, 10).to(memory_format=torch.channels_last)
    images = torch.randn(32, 1, 28, 28).contiguous(memory_format=torch.channels_last)

    def channels_first(images: torch.Tensor) -> torch.Tensor:
        maps = functional.max_pool2d(net.convolution(images), 2).relu()
        return net.out(net.dense(maps.flatten(1)).relu())

    return both_ways(channels_first, images), both_ways(net, images)


def answered() -> tuple[Work, Work]:
    task = ImageClassification(ImageClassification.Settings(), ImageClassification.Facts(
        labels=[str(digit) for digit in range(10)], size=28, channels=1, mean=[0.13],
        deviation=[0.31]))
    images = torch.randint(0, 256, (task.examples_at_once, 1, 28, 28), dtype=torch.uint8)
    net = task.start().eval()
    arrange(net, "channels_last")
    views = {name: mean.flatten().view(mean.shape) for name, mean in net.averages().items()}
    answering = torch.inference_mode()
    return (answering(lambda: functional_call(net.net, views, images)),
            answering(lambda: net(images)))


KERNELS = {
    "Adam, 692,224 weights, a quarter of whose running means are below 1e-38": dead_units,
    "dropout of 262,144 numbers": dropped,
    "moving average of 256 windows, 336 long": moving_average,
    "GPT's convolution over 8 windows of 128 tokens, 128 wide": shifts,
    "the tutorial's net on 32 images, flattened with its channels last": flattened,
    "the default net's answers to 167 digits, with a mean of its weights": answered,
}


if __name__ == "__main__":
    main()
