"""Rows of tokens: windows to learn from, what each costs a net to foretell, what follows them.

A net gives logits (batch, time, vocabulary) of what follows each token, and its state or cache:
`logits, past = net(tokens, past)`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from lamina import keys
from lamina.errors import UserError
from lamina.source import Source
from lamina.store import Joined

SCORED_AT_ONCE = 1 << 14  # tokens


class Windows(Source):
    """Random windows of a long row of tokens, chosen by (seed, step) alone.

    Documents lie end to end in the row, so a window is never padded.
    tokens: (tokens,), wherever they are. A batch is {"window": (batch, context + 1)}: each of its
    tokens but the last is followed by the one to be foretold.
    """

    def __init__(self, tokens: Tensor | Joined, context: int, batch_size: int, *, seed: int):
        if len(tokens) <= context:
            raise UserError(f"the training part has {len(tokens)} tokens, expected more than the "
                            f"context of {context}: give more text, or --context "
                            f"{max(2, len(tokens) // 4)}")
        self.tokens, self.context = tokens, context
        self.batch_size, self.seed = batch_size, seed
        self.length = max(1, len(tokens) // (context * batch_size))

    def batch(self, step: int) -> dict[str, Tensor]:
        """The windows of that step."""
        starts = torch.randint(len(self.tokens) - self.context, (self.batch_size, 1),
                               generator=keys.generator(self.seed, "windows", step))
        places = starts + torch.arange(self.context + 1)
        return {"window": self.tokens[places.to(self.tokens.device)]}


def surprise(net: nn.Module, tokens: Tensor, length: Tensor, context: int) -> Tensor:  # (batch,)
    """Nats that the tokens (batch, time) cost after the first one, up to each row's length.

    Each token is scored once, in windows that lie side by side.
    """
    count = -(-int(length.max() - 1) // context)  # windows of the longest row, rounded up
    tokens = pad(tokens, (0, max(0, count * context + 1 - tokens.shape[1])))
    shape = len(tokens) * count, context
    before = tokens[:, : count * context].reshape(shape)
    after = tokens[:, 1 : count * context + 1].reshape(shape).long()
    places = torch.arange(count * context, device=tokens.device)
    real = (places < length[:, None] - 1).reshape(shape)
    nats = torch.zeros(shape[0], device=tokens.device)
    for chosen in real[:, 0].nonzero()[:, 0].split(max(1, SCORED_AT_ONCE // context)):
        logits, _ = net(before[chosen])
        costs = cross_entropy(logits.float().transpose(1, 2), after[chosen], reduction="none")
        nats[chosen] = (costs * real[chosen]).sum(1)
    return nats.view(-1, count).sum(1)


@torch.inference_mode()
def continuation(net: nn.Module, prompt: Tensor, *, context: int,
                 choose: Callable[[Tensor], int]) -> Iterator[int]:
    """The tokens that follow those of the prompt (time,), without end.

    choose: a token from the logits (vocabulary,) of what comes next.
    """
    known = prompt[-context:].tolist()
    new, past = known, None
    while True:
        if len(known) > context:  # the window is full: go on from its second half
            known = known[-(context // 2) :]
            new, past = known, None
        logits, past = net(torch.tensor([new], device=prompt.device), past)
        new = [choose(logits[0, -1].float().cpu())]
        yield new[0]
        known = known + new


def drawn(logits: Tensor, random: torch.Generator, *, temperature: float, top_k: int = 0,
          top_p: float = 1.0) -> int:
    """A token by its probability, among those that the three leave; temperature 0: the likeliest.

    top_k: among so many of the likeliest; 0: all. top_p: among the likeliest that have this
    probability in all (Holtzman et al. 2020).
    """
    if temperature == 0:
        return int(logits.argmax())
    chances, order = (logits / temperature).softmax(0).sort(descending=True)
    if top_k:
        chances = chances[:top_k]
    before = chances.cumsum(0) - chances  # the probability of all that are likelier
    chances = chances * (before < max(top_p * float(chances.sum()), 1e-9))
    return int(order[torch.multinomial(chances, 1, generator=random)])
