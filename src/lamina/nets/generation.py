"""Nets that make pictures out of numbers in one go, those that teach them, and one that reads.

Pictures are float32 (batch, channels, size, size), -1 to 1; labels are weights (batch, labels), one
of them 1, all 0 where none is told.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

FEATURES = 32  # numbers that a reader sees in a picture
POOL, MADE_POOL = 1000, 200  # pictures whose features are kept: real ones, made ones


class Generator(nn.Module):
    """Numbers and a label become a picture, doubled and doubled again (Radford et al. 2016).

    code: how many numbers. width: channels before the last doubling.
    """

    def __init__(self, channels: int, size: int, labels: int, *, width: int, code: int):
        super().__init__()
        self.side, doublings = halved(size)
        widths = [width * 2 ** max(0, left) for left in range(doublings - 1, -1, -1)] or [width]
        self.start = nn.Linear(code + labels, widths[0] * self.side**2)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(),
                       nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        last = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1) if doublings else \
            nn.Conv2d(widths[-1], channels, 3, padding=1)
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]), nn.ReLU(), last, nn.Tanh())

    def forward(self, code: Tensor, label: Tensor) -> Tensor:
        start = self.start(torch.cat([code, label.to(code.dtype)], 1))
        start = start.view(len(code), -1, self.side, self.side)
        return self.layers(start.contiguous(memory_format=torch.channels_last))


class Judge(nn.Module):
    """How real a picture looks, and how like its label (Miyato and Koyama 2018, equation 3).

    Its layers' norms are held at 1 (Miyato et al. 2018), which keeps the contest even. It is told
    how much the pictures of a batch differ, so that many of one kind do not pass (Karras et al.
    2018, section 3): a batch is to be all real or all made.
    """

    def __init__(self, channels: int, size: int, labels: int, *, width: int):
        super().__init__()
        self.look = nn.Sequential(*looking(channels, size, width, spectral_norm))
        seen = seen_by(self.look, channels, size)
        self.real = spectral_norm(nn.Linear(seen + 1, 1))
        self.fits = spectral_norm(nn.Linear(labels, seen, bias=False)) if labels else None

    def forward(self, picture: Tensor, label: Tensor) -> Tensor:  # (batch,)
        seen = self.look(picture)
        differ = seen.var(0, correction=0).sum().add(1e-8).sqrt().expand(len(seen), 1)
        score = self.real(torch.cat([seen, differ], 1))[:, 0]
        return score if self.fits is None else \
            score + (self.fits(label.to(seen.dtype)) * seen).sum(1)


class VAE(nn.Module):
    """An encoder and a generator that undoes it (Kingma and Welling 2014). The label is told to
    both, and decides where codes are expected (Sohn et al. 2015, section 4.1).
    """

    def __init__(self, channels: int, size: int, labels: int, *, width: int, code: int):
        super().__init__()
        self.look = nn.Sequential(*looking(channels, size, width, lambda layer: layer))
        self.posterior = nn.Linear(seen_by(self.look, channels, size) + labels, 2 * code)
        self.prior = nn.Parameter(torch.zeros(labels, 2 * code))
        self.generator = Generator(channels, size, labels, width=width, code=code)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """A picture for each row of standard normal numbers, (batch, code)."""
        mean, logarithm = self.expected(label)
        return self.generator(mean + noise * (logarithm / 2).exp(), label)

    def expected(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log variance of the codes of a label, each (batch, code)."""
        return (label.to(self.prior.dtype) @ self.prior).chunk(2, 1)

    def evidence(self, picture: Tensor, label: Tensor, variance: float) -> Tensor:
        """The negative evidence lower bound per pixel (Kingma and Welling 2014, equation 7), whose
        errors are normal with that variance.
        """
        seen = self.look(picture)
        mean, logarithm = self.posterior(torch.cat([seen, label.to(seen.dtype)], 1)).chunk(2, 1)
        centre, wide = self.expected(label)
        code = mean + torch.randn_like(mean) * (logarithm / 2).exp()
        error = (self.generator(code, label) - picture).square().mean()
        apart = wide - logarithm + (logarithm.exp() + (mean - centre).square()) / wide.exp() - 1
        return error / (2 * variance) + apart.sum(1).mean() / 2 / picture[0].numel()


class Reader(nn.Module):
    """A small classifier; what it sees before it decides is where sets of pictures are compared."""

    def __init__(self, channels: int, size: int, labels: int):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(64 * (size // 4) ** 2, FEATURES))
        self.decide = nn.Linear(FEATURES, labels)

    def features(self, picture: Tensor) -> Tensor:  # (batch, FEATURES)
        return self.look(picture.contiguous(memory_format=torch.channels_last))

    def forward(self, picture: Tensor) -> Tensor:  # (batch, labels)
        return self.decide(self.features(picture).relu())


class Studio(nn.Module):
    """What makes pictures, and what reads them, with the features of some real and made ones."""

    def __init__(self, maker: nn.Module, reader: Reader):
        super().__init__()
        self.maker, self.reader = maker, reader
        for name, size in (("real", POOL), ("made", MADE_POOL)):
            self.register_buffer(name, torch.zeros(size, FEATURES))
            self.register_buffer(f"{name}_count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def remember(self, pictures: Tensor) -> None:
        """Keep the features of these real pictures and forget the oldest: the reader still learns.
        """
        new = self.reader.features(pictures).float()
        self.real.copy_(torch.cat([self.real, new])[-POOL:])
        self.real_count.copy_((self.real_count + len(new)).clamp(max=POOL))

    def remembered(self) -> Tensor:
        """The features of real pictures, (n, FEATURES), the newest last."""
        return self.real[POOL - int(self.real_count) :]

    @torch.no_grad()
    def show(self, pictures: Tensor) -> None:
        """Keep the features of these made pictures in place of those before."""
        new = self.reader.features(pictures[:MADE_POOL]).float()
        self.made[: len(new)] = new
        self.made_count.fill_(len(new))


class Contest(nn.Module):
    """A studio and the judge that its pictures are to convince (Goodfellow et al. 2014)."""

    def __init__(self, studio: Studio, judge: Judge):
        super().__init__()
        self.studio, self.judge = studio, judge


def halved(size: int) -> tuple[int, int]:
    """(the side, how often it was halved): as often as it stays whole and above 4 pixels."""
    times = 0
    while size % 2 == 0 and size > 8:
        size, times = size // 2, times + 1
    return size, times


def looking(channels: int, size: int, width: int, wrap) -> list[nn.Module]:
    """Convolutions that halve a picture as often as a generator doubles it; vectors come out."""
    layers: list[nn.Module] = []
    for depth in range(max(1, halved(size)[1])):
        outputs = width * 2**depth
        layers += [wrap(nn.Conv2d(channels, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        channels = outputs
    return [*layers, wrap(nn.Conv2d(channels, channels, 3, padding=1)), nn.LeakyReLU(0.2),
            nn.Flatten()]


def seen_by(look: nn.Sequential, channels: int, size: int) -> int:
    """How many numbers come out of `looking`."""
    depth = sum(isinstance(layer, nn.LeakyReLU) for layer in look) - 1
    last = next(layer for layer in reversed(look) if isinstance(layer, nn.Conv2d))
    return last.out_channels * (size // 2**depth) ** 2
