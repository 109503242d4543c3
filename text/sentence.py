"""Sentences to vectors, by the model folders of sentence-transformers: a model, a way of pooling, and what follows it.

Reference: Reimers and Gurevych, "Sentence-BERT", https://arxiv.org/abs/1908.10084.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework import nn
from framework.autograd.mode import inference_mode
from framework.errors import ArgumentError
from framework.io import FileFormatError, save_file
from framework.nn import functional as F
from framework.ops.joining import cat
from framework.tensor import Tensor, wrap
from hub import huggingface, load_state_dict
from text.models import from_pretrained
from text.models.encoder import Encoder
from text.models.loading import model_class
from text.pooling import MODES, Dense, Normalize, Pooling
from text.tokenizers import Tokenizer

MODULES = "modules.json"
SETTINGS = "sentence_bert_config.json"
PROMPTS = "config_sentence_transformers.json"


class SentenceEncoder(nn.Module):
    """Sentences to vectors.

    Args:
        model: an ``Encoder``: the class of a family without a head.
        tokenizer: its tokenizer.
        pooling: how the tokens' states become one vector; their mean unless given.
        after: layers on that vector, such as ``Dense`` and ``Normalize``.
        max_seq_length: tokens from which on a sentence is cut off; what the tokenizer and the model take unless given.
        do_lower_case: whether to put sentences in lower case first.
        prompts: what to put before sentences, by name.
        default_prompt_name: the prompt of sentences that are encoded without naming one.

    Example:
        >>> encoder = text.SentenceEncoder.from_pretrained("all-MiniLM-L6-v2")
        >>> vectors = encoder.encode(["A man is eating food.", "A man is eating a piece of bread."])
        >>> float(vectors[0] @ vectors[1])
        0.7552
    """

    def __init__(
        self,
        model: Encoder,
        tokenizer: Tokenizer,
        pooling: Pooling | None = None,
        after: Sequence[nn.Module] = (),
        *,
        max_seq_length: int | None = None,
        do_lower_case: bool = False,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.pooling = pooling or Pooling(model.config.hidden_size)
        self.after = nn.ModuleList(after)
        self.max_seq_length = max_seq_length or min(tokenizer.model_max_length, model.max_length)
        self.do_lower_case = do_lower_case
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str], *, dtype: Any = None) -> SentenceEncoder:
        """Load a folder of sentence-transformers, or a plain model folder, whose states are then averaged.

        Args:
            path: the folder, or the name of a repository on the Hugging Face hub.
            dtype: floating-point type of the model; float32 unless given.

        Raises:
            FileNotFoundError, FileFormatError: files are missing or broken.
            ArgumentError: the folder asks for something that is not known here.
        """
        folder = Path(path) if os.path.exists(path) else huggingface.snapshot(os.fspath(path))
        listed = [
            (entry["type"].rpartition(".")[2], folder / entry["path"]) for entry in _read(folder / MODULES, [])
        ] or [("Transformer", folder)]
        if listed[0][0] != "Transformer":
            raise ArgumentError(f"{folder}: its first module is a {listed[0][0]}; only Transformer is known there")
        home = listed[0][1]
        settings = _read(home / SETTINGS, {})
        extra: dict[str, Any] = {"add_pooling_layer": False} if _takes_pooling(home) else {}
        model = from_pretrained(home, dtype=dtype, **extra)
        if not isinstance(model, Encoder):
            raise ArgumentError(f"{home}: a {type(model).__name__} is no encoder of sentences")
        layers = [_module(kind, place) for kind, place in listed[1:]]
        pooling: Any = layers.pop(0) if layers and isinstance(layers[0], Pooling) else None
        if dtype is not None:
            for layer in layers:
                layer.to(dtype)
        said = _read(folder / PROMPTS, {})
        return cls(
            model,
            Tokenizer.from_pretrained(home),
            pooling,
            layers,
            max_seq_length=settings.get("max_seq_length"),
            do_lower_case=settings.get("do_lower_case", False),
            prompts=said.get("prompts"),
            default_prompt_name=said.get("default_prompt_name"),
        ).eval()

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that ``from_pretrained`` and sentence-transformers read."""
        root = Path(folder)
        self.model.save_pretrained(root)
        self.tokenizer.save_pretrained(root)
        parts: list[nn.Module] = [self.pooling, *self.after]
        kinds = [type(part).__name__ for part in parts]
        paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds, 1))]
        _write(
            root / MODULES,
            [
                {"idx": i, "name": str(i), "path": place, "type": f"sentence_transformers.models.{kind}"}
                for i, (place, kind) in enumerate(zip(paths, ["Transformer", *kinds], strict=True))
            ],
        )
        _write(root / SETTINGS, {"max_seq_length": self.max_seq_length, "do_lower_case": self.do_lower_case})
        _write(root / PROMPTS, {"prompts": self.prompts, "default_prompt_name": self.default_prompt_name})
        for place, part in zip(paths[1:], parts, strict=True):
            if isinstance(part, Pooling):
                modes = {f"pooling_mode_{mode}": mode in part.modes for mode in MODES}
                _write(root / place / "config.json", {"word_embedding_dimension": part.width, **modes})
            elif isinstance(part, Dense):
                kind = type(part.activation_function).__name__
                home = "linear" if kind == "Identity" else "activation"  # PyTorch's module of the class
                _write(
                    root / place / "config.json",
                    {
                        "in_features": part.linear.in_features,
                        "out_features": part.linear.out_features,
                        "bias": part.linear.bias is not None,
                        "activation_function": f"torch.nn.modules.{home}.{kind}",
                    },
                )
                save_file(part.state_dict(), root / place / "model.safetensors", {"format": "pt"})

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """(B, S) token ids as (B, width) vectors, with gradients; see the model for the inputs."""
        hidden = self.model(input_ids, attention_mask, token_type_ids).last_hidden_state
        if attention_mask is None:
            attention_mask = input_ids.new_ones(input_ids.shape)
        vectors = self.pooling(hidden, attention_mask)
        for layer in self.after:
            vectors = layer(vectors)
        return vectors

    def encode(
        self,
        sentences: str | Sequence[str],
        batch_size: int = 32,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
    ) -> Any:
        """Vectors of sentences, without gradients, in evaluation mode. Sentences of like length are run together.

        Args:
            sentences: one, or several.
            batch_size: how many are run at once.
            prompt_name: which of ``prompts`` to put before each; the default one unless given.
            prompt: what to put before each instead.
            convert_to_tensor: return a tensor instead of a NumPy array.
            normalize_embeddings: scale vectors to length 1, for models that do not do so.

        Returns:
            (N, width), or (width,) for a single sentence.

        Raises:
            ArgumentError: there is no such prompt, or ``batch_size`` is less than 1.
        """
        if batch_size < 1:
            raise ArgumentError(f"encode: batch_size must be 1 or more, got {batch_size}")
        single = isinstance(sentences, str)
        before = self._prompt(prompt_name) if prompt is None else prompt
        several = [sentences] if isinstance(sentences, str) else sentences
        texts = [before + (sentence.lower() if self.do_lower_case else sentence) for sentence in several]
        found = self._encode(texts, batch_size)
        if normalize_embeddings:
            found = F.normalize(found, dim=-1)
        if single:
            found = found[0]
        return found if convert_to_tensor else found.cpu().numpy()

    def similarity(self, first: Any, second: Any) -> Tensor:
        """The cosines between vectors (N, width) and (M, width), NumPy arrays or tensors: (N, M)."""
        a, b = (F.normalize(t if isinstance(t, Tensor) else wrap(np.asarray(t)), dim=-1) for t in (first, second))
        return a @ b.transpose(-2, -1)

    def _prompt(self, name: str | None) -> str:
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise ArgumentError(f"encode: there is no prompt {name!r}; there are {', '.join(self.prompts) or 'none'}")
        return self.prompts[name]

    @inference_mode()
    def _encode(self, texts: list[str], batch_size: int) -> Tensor:
        weight = next(self.model.parameters())
        if not texts:
            return weight.new_zeros((0, self._width()))
        was_training = self.training
        self.eval()
        try:
            encoded = self.tokenizer(texts, truncation=True, max_length=self.max_seq_length)
            lengths = np.array([len(ids) for ids in encoded["input_ids"]])
            order = np.argsort(-lengths, kind="stable")  # the longest first, so that memory runs out at once or never
            parts = [
                self(**self._padded(encoded, order[start : start + batch_size], weight))
                for start in range(0, len(texts), batch_size)
            ]
        finally:
            self.train(was_training)
        return cat(parts)[wrap(np.argsort(order)).to(weight.device)]

    def _padded(self, encoded: Mapping[str, Any], rows: Any, like: Tensor) -> dict[str, Tensor]:
        """The rows of an encoding, padded at the end to the longest of them."""
        given = {
            name: [encoded[name][row] for row in rows] for name in ("input_ids", "token_type_ids") if name in encoded
        }
        lengths = np.array([len(ids) for ids in given["input_ids"]])
        seen = np.arange(lengths.max()) < lengths[:, None]
        padding = {"input_ids": self.tokenizer.pad_token_id or 0, "token_type_ids": 0}
        made = {"attention_mask": wrap(seen.astype(np.int64))}
        for name, values in given.items():
            array = np.full(seen.shape, padding[name], np.int64)
            array[seen] = np.concatenate(values)
            made[name] = wrap(array)
        return {name: tensor.to(like.device) for name, tensor in made.items()}

    def _width(self) -> int:
        wide = [layer.linear.out_features for layer in self.after if isinstance(layer, Dense)]
        return wide[-1] if wide else self.pooling.width * len(self.pooling.modes)


def _takes_pooling(folder: Path) -> bool:
    """Whether the model's class can do without the pooled vector, which is not used here."""
    return "add_pooling_layer" in inspect.signature(model_class(folder).__init__).parameters


def _module(kind: str, folder: Path) -> nn.Module:
    """A module of the folder that is not the model."""
    if kind == "Normalize":
        return Normalize()
    fields = _read(folder / "config.json", None)
    if kind == "Pooling":
        if not fields.get("include_prompt", True):
            raise ArgumentError(f"{folder}: pooling without the prompt's tokens (include_prompt) is not known")
        modes = [mode for mode in MODES if fields.get(f"pooling_mode_{mode}")]
        return Pooling(fields["word_embedding_dimension"], modes)
    if kind == "Dense":
        name = fields.get("activation_function", "torch.nn.modules.activation.Tanh").rpartition(".")[2]
        layer = getattr(nn, name, None)
        if not (isinstance(layer, type) and issubclass(layer, nn.Module)):
            raise ArgumentError(f"{folder}: there is no activation {name!r}")
        dense = Dense(fields["in_features"], fields["out_features"], fields.get("bias", True), layer())
        dense.load_state_dict(load_state_dict(folder))
        return dense
    raise ArgumentError(f"{folder}: modules of the kind {kind} are not known; known are Pooling, Dense and Normalize")


def _read(path: Path, absent: Any) -> Any:
    """What a JSON file holds, or ``absent`` where it may be."""
    if absent is not None and not path.is_file():
        return absent
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileFormatError(f"{path}: not JSON ({error}); download or save it again") from None


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
