"""Encoders that have learnt a language already, in the form of the package transformers.

Of a checkpoint no more is used than its config.json, its tokenizer and its safetensors; code that
comes with one is never run, and pickled weights are refused.
"""

import json
from functools import lru_cache

import torch
from torch import Tensor, nn

NEEDED = 'pretrained encoders need the package transformers: pip install "lamina[pretrained]"'
FAULTS = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError)


def parts(checkpoint: str, *, offline: bool) -> tuple[str, str]:
    """The config and the tokenizer of a folder, or of that name on the hub, each as JSON.

    offline: never use the network. ValueError: there is no such checkpoint, or it has neither.
    """
    transformers = package()
    try:
        config = transformers.AutoConfig.from_pretrained(
            checkpoint, local_files_only=offline, trust_remote_code=False)
        reader = transformers.AutoTokenizer.from_pretrained(
            checkpoint, local_files_only=offline, trust_remote_code=False)
        return json.dumps(config.to_diff_dict() | {"model_type": config.model_type}), \
            reader.backend_tokenizer.to_str()
    except FAULTS as reason:
        raise ValueError(why(checkpoint, reason)) from None


def load(checkpoint: str, *, offline: bool) -> nn.Module:
    """The encoder with the weights of the checkpoint; ValueError: it has none that fit."""
    transformers = package()
    try:
        return transformers.AutoModel.from_pretrained(
            checkpoint, local_files_only=offline, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32)
    except FAULTS as reason:
        raise ValueError(why(checkpoint, reason)) from None


def build(config: str) -> nn.Module:
    """An encoder of that config with random weights; ValueError: it is not the config of one."""
    transformers = package()
    try:
        known = json.loads(config)
        made = transformers.AutoConfig.for_model(known.pop("model_type"), **known)
        return transformers.AutoModel.from_config(made, trust_remote_code=False)
    except FAULTS as reason:
        raise ValueError(f"no encoder can be built of its config ({reason})") from None


@lru_cache(maxsize=4)
def tokenizer(document: str):
    """The tokenizer of that JSON; ValueError: it is none."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(document)
    except Exception as reason:  # tokenizers raises no narrower class
        raise ValueError(f"not a tokenizer: {reason}") from None


def package():
    """The package transformers, without its progress bars and advice."""
    try:
        import transformers
    except ImportError:
        raise ValueError(NEEDED) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def why(checkpoint: str, reason: Exception) -> str:
    """One line on what is wrong with a checkpoint."""
    said = " ".join(str(reason).split())
    return (f"checkpoint {checkpoint!r} cannot be used: {said[:240] or type(reason).__name__}; "
            "expected a folder with config.json, tokenizer.json and model.safetensors, or a name "
            "on the hub")


class PretrainedEncoder(nn.Module):
    """A checkpoint's encoder that is given vectors, not tokens; it gives its table of them away.

    features: numbers at each place. longest: places that it can tell apart, at most.
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        encoder.set_input_embeddings(nn.Identity())
        self.encoder = encoder
        self.features = encoder.config.hidden_size
        places = getattr(encoder.config, "max_position_embeddings", None) or 512
        self.longest = places - 2  # RoBERTa counts its places from 2 on

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:  # (windows, time, features)
        return self.encoder(inputs_embeds=vectors,
                            attention_mask=real.long()).last_hidden_state
