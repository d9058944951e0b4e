"""Restricted Boltzmann machines, and the deep belief net that a stack of them makes.

Hinton 2002, "Training products of experts by minimizing contrastive divergence"; Hinton, Osindero
and Teh 2006, "A fast learning algorithm for deep belief nets"; Hinton 2012, "A practical guide to
training restricted Boltzmann machines".
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from lamina.nets.dropout import dropout


class BoltzmannMachine(nn.Module):
    """A restricted Boltzmann machine: a layer of visible and one of hidden binary units.

    Visible values between 0 and 1 count as probabilities of being on. All probabilities and
    energies are float32, whatever the products of matrices are computed in.

    chains: how many Gibbs chains go on from step to step of `persistent_divergence`.
    """

    def __init__(self, visible: int, hidden: int, *, chains: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(hidden, visible) * 0.01)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.register_buffer("chains", torch.rand(chains, visible).round())

    def up(self, visible: Tensor) -> Tensor:  # (batch, visible) -> (batch, hidden)
        """The probability of each hidden unit, given the visible ones."""
        return linear(visible, self.weight, self.hidden_bias).float().sigmoid()

    def down(self, hidden: Tensor) -> Tensor:  # (batch, hidden) -> (batch, visible)
        """The probability of each visible unit, given the hidden ones."""
        return linear(hidden, self.weight.t(), self.visible_bias).float().sigmoid()

    def free_energy(self, visible: Tensor) -> Tensor:  # (batch, visible) -> (batch,)
        """Minus the logarithm of the unnormalised probability, the hidden units summed out."""
        total = linear(visible, self.weight, self.hidden_bias).float()
        return -(visible * self.visible_bias).sum(1) - softplus(total).sum(1)

    @torch.no_grad()
    def reconstruct(self, visible: Tensor, *, steps: int = 1) -> Tensor:
        """What the machine turns `visible` into in some steps of Gibbs sampling.

        The hidden units are drawn; the visible ones stay probabilities (Hinton 2012, section 3).
        """
        for _ in range(steps):
            visible = self.down(draw(self.up(visible)))
        return visible

    def contrastive_divergence(self, visible: Tensor, *, steps: int = 1) -> Tensor:
        """Mean free energy of the data less that of its reconstruction, which is held fixed.

        Its gradient is the CD-k rule: <v h> of the reconstruction less <v h> of the data. Both go
        through one product of matrices, so that bfloat16 rounds their difference only once.
        """
        return self.gap(visible, self.reconstruct(visible, steps=steps))

    def persistent_divergence(self, visible: Tensor, *, steps: int = 1) -> Tensor:
        """The same against chains that never return to the data (Tieleman 2008).

        They wander through all that the machine believes in, so that nothing is left there which
        is unlike the data; contrastive divergence looks at the data's surroundings only.
        """
        with torch.no_grad():
            chains = self.gibbs(self.chains, steps=steps)
            self.chains.copy_(chains)
        return self.gap(draw(visible), chains)

    def gibbs(self, visible: Tensor, *, steps: int,
              generator: torch.Generator | None = None) -> Tensor:  # (batch, visible)
        """Binary visible units after some steps of Gibbs sampling."""
        for _ in range(steps):
            visible = draw(self.down(draw(self.up(visible), generator)), generator)
        return visible

    def gap(self, data: Tensor, model: Tensor) -> Tensor:
        """Mean free energy of the data less that of the model's own visible units."""
        energy = self.free_energy(torch.cat((data, model)))
        return energy[: len(data)].mean() - energy[len(data) :].mean()


class SigmoidNet(nn.Module):
    """A feed-forward net with sigmoid units and one linear output per class."""

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, *, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise((inputs, *hidden)))
        self.output = nn.Linear(hidden[-1], classes)
        self.dropout = dropout
        for layer in self.layers:  # Glorot and Bengio 2010: sigmoids need four times the width
            nn.init.xavier_uniform_(layer.weight, gain=4)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def features(self, inputs: Tensor) -> Tensor:  # (batch, inputs) -> (batch, hidden[-1])
        """The activations of the last hidden layer."""
        for layer in self.layers:
            inputs = dropout(layer(inputs).sigmoid(), self.dropout, self.training)
        return inputs

    def forward(self, inputs: Tensor) -> Tensor:  # (batch, inputs) -> (batch, classes)
        return self.output(self.features(inputs))


class DeepBeliefNet(nn.Module):
    """A stack of Boltzmann machines, which can dream, and the classifier that starts from them.

    The machines keep what they learnt without labels; `unroll` copies it into the classifier,
    which fine-tuning then changes.

    chains: persistent ones of the top machine.
    """

    def __init__(self, visible: int, hidden: Sequence[int], classes: int, *, dropout: float = 0.0,
                 chains: int = 0):
        super().__init__()
        sizes = list(pairwise((visible, *hidden)))
        self.machines = nn.ModuleList(BoltzmannMachine(*pair) for pair in sizes[:-1])
        self.machines.append(BoltzmannMachine(*sizes[-1], chains=chains))
        self.classifier = SigmoidNet(visible, hidden, classes, dropout=dropout)

    def forward(self, visible: Tensor) -> Tensor:  # (batch, visible) -> (batch, classes)
        return self.classifier(visible)

    @torch.no_grad()
    def below(self, visible: Tensor, depth: int) -> Tensor:  # (batch, visible of that machine)
        """What the machine at that depth sees: the hidden probabilities of the one below."""
        for machine in self.machines[:depth]:
            visible = machine.up(visible)
        return visible

    @torch.no_grad()
    def unroll(self, depth: int) -> None:
        """Start the classifier's hidden layer at that depth from the machine there."""
        layer, machine = self.classifier.layers[depth], self.machines[depth]
        layer.weight.copy_(machine.weight)
        layer.bias.copy_(machine.hidden_bias)

    @torch.no_grad()
    def dream(self, count: int, *, steps: int = 1000, start: Tensor | None = None,
              generator: torch.Generator | None = None) -> Tensor:  # (count, visible)
        """Probabilities of the visible units in samples of the model.

        A Gibbs chain of some steps for each sample in the top machine, then one pass down
        (Hinton, Osindero and Teh 2006, section 6).

        start: visible units from which the chains start, (count, visible); random ones if None.
        """
        top = self.machines[-1]
        if start is None:
            width, device = top.weight.shape[1], top.weight.device
            units = torch.rand(count, width, generator=generator, device=device)
        else:
            units = self.below(start, len(self.machines) - 1)
        hidden = draw(top.up(top.gibbs(units, steps=steps, generator=generator)), generator)
        for machine in reversed(self.machines):
            hidden = machine.down(hidden)
        return hidden


def draw(probability: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Binary units, each on with its probability; as floats."""
    noise = torch.rand(probability.shape, generator=generator, device=probability.device)
    return (noise < probability).float()
