"""Recurrent nets: they read one step at a time and carry a state."""

from torch import Tensor, nn

from lamina.nets.dropout import dropout

State = tuple[Tensor, Tensor]  # hidden and cell values, each (layers, batch, width)


class LSTM(nn.Module):
    """Next-token logits from a long short-term memory (Hochreiter and Schmidhuber 1997).

    vocabulary: the number of different tokens.
    dropout: fraction dropped from what enters and leaves each layer (Zaremba et al. 2014).
    """

    def __init__(self, vocabulary: int, *, layers: int, width: int, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(vocabulary, width)
        self.memory = nn.LSTM(width, width, layers, batch_first=True,
                              dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(width, vocabulary)
        for layer in range(layers):  # gates that forget little at first (Jozefowicz et al. 2015)
            nn.init.ones_(getattr(self.memory, f"bias_ih_l{layer}")[width : 2 * width].detach())

    def forward(self, tokens: Tensor, past: State | None = None) -> tuple[Tensor, State]:
        """Logits (batch, time, vocabulary) of what follows each token, and the state.

        tokens: whole numbers (batch, time).
        past: the state after the tokens before these; None where there are none.
        """
        return self.read(dropout(self.embed(tokens), self.dropout, self.training), past)

    def embed(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width)
        """The vectors that the memory reads."""
        return self.embedding(tokens)

    def read(self, x: Tensor, past: State | None = None) -> tuple[Tensor, State]:
        """As `forward`, of vectors (batch, time, width)."""
        x, state = self.memory(x, past)  # (batch, time, width)
        return self.head(dropout(x, self.dropout, self.training)), state
