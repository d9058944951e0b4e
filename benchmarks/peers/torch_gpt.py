"""nanoGPT's published recipe for a CPU, in a plain loop: tiny Shakespeare by characters.

    python torch_gpt.py FILE [--steps 2000]

4 layers, 4 heads, 128 wide, context 64, batch 12; AdamW, 0.001 falling to 0.0001 as a cosine after
100 steps of warm-up. Scored once, at the end, on the whole last tenth: nanoGPT's own scores in
between would only cost time. The last line is JSON.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, scaled_dot_product_attention

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
WARMUP, HIGHEST, LOWEST = 100, 1e-3, 1e-4


class Block(nn.Module):
    """Attention to what came before, then a layer of 4 times the width, each beside the path."""

    def __init__(self):
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH, bias=False)
        self.inputs = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attended = nn.Linear(WIDTH, WIDTH, bias=False)
        self.before_layer = nn.LayerNorm(WIDTH, bias=False)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (batch, time, width)
        batch, time_, _ = x.shape
        parts = self.inputs(self.before_attention(x)).view(batch, time_, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, width / heads)
        heads = scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attended(heads.transpose(1, 2).reshape(x.shape))
        return x + self.narrow(gelu(self.wide(self.before_layer(x))))


class GPT(nn.Module):
    """GPT-2 in small: learned positions, head tied to the embedding."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.token.weight = self.head.weight
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                last = name.endswith(("attended.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, vocabulary)
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    text = Path(given.file).read_text()
    known = {character: index for index, character in enumerate(sorted(set(text)))}
    tokens = torch.tensor([known[character] for character in text])
    held = tokens[int(0.9 * len(tokens)) :]
    net = GPT(len(known))
    began = time.perf_counter()
    learn(net, tokens[: int(0.9 * len(tokens))], given.steps)
    learning = time.perf_counter() - began
    print(json.dumps({"loss": loss(net, held), "steps": given.steps, "learning_seconds": learning,
                      "step_seconds": learning / given.steps,
                      "versions": {"torch": torch.__version__}}))


def learn(net: nn.Module, tokens: Tensor, steps: int) -> None:
    """So many steps over random windows."""
    matrices = [p for p in net.parameters() if p.ndim == 2]
    others = [p for p in net.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                   {"params": others, "weight_decay": 0.0}],
                                  HIGHEST, betas=(0.9, 0.99))
    window = torch.arange(CONTEXT + 1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        chosen = tokens[torch.randint(len(tokens) - CONTEXT, (BATCH, 1)) + window]
        cost = cross_entropy(net(chosen[:, :-1]).flatten(0, 1), chosen[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        cost.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()


def rate(step: int, steps: int) -> float:
    """The step size: up in a line, down as half a cosine."""
    if step < WARMUP:
        return HIGHEST * (step + 1) / (WARMUP + 1)
    done = (step - WARMUP) / max(1, steps - WARMUP)
    return LOWEST + 0.5 * (1 + math.cos(math.pi * done)) * (HIGHEST - LOWEST)


@torch.inference_mode()
def loss(net: nn.Module, tokens: Tensor) -> float:
    """Nats per character, in windows side by side; each character after the first counts once."""
    count = (len(tokens) - 1) // CONTEXT
    windows = [(tokens[: count * CONTEXT].view(-1, CONTEXT),
                tokens[1 : count * CONTEXT + 1].view(-1, CONTEXT))]
    rest = tokens[count * CONTEXT :][None]
    if rest.shape[1] > 1:
        windows.append((rest[:, :-1], rest[:, 1:]))
    total = 0.0
    for before, after in windows:
        for some, following in zip(before.split(256), after.split(256), strict=True):
            total += cross_entropy(net(some).flatten(0, 1), following.flatten(),
                                   reduction="sum").item()
    return total / (len(tokens) - 1)


if __name__ == "__main__":
    main()
