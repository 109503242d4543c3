"""What all models of text share: their config, making and saving, ties between parameters, and running their layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from framework import nn
from framework.errors import ArgumentError
from framework.io import save_file
from framework.ops.joining import cat
from framework.tensor import Tensor
from framework.utils.checkpoint import checkpoint
from hub import FitRules
from text.models.config import Config
from text.models.loading import architecture_of, load

WEIGHTS_NAME = "model.safetensors"


class PreTrainedModel(nn.Module):
    """A model that is made from a ``Config`` and kept in a folder with it.

    A family's abstract class sets the class attributes; its concrete classes build their parts in ``__init__`` and call
    ``post_init`` last.

    Attributes:
        config_class: the family's ``Config``.
        base_model_prefix: the name under which models with a head hold the one without; state-dict keys begin with it.
        fit_rules: what may differ between a file and the model; ``base`` is the prefix.
        tied: (key, key of the parameter that it shares) pairs, where ``config.tie_word_embeddings``; for other ties,
            override ``tie_weights``.
        gradient_checkpointing: whether layers are computed again in the backward pass instead of being kept.
    """

    config_class: ClassVar[type[Config]]
    base_model_prefix: ClassVar[str] = ""
    fit_rules: ClassVar[FitRules] = FitRules()
    tied: ClassVar[tuple[tuple[str, str], ...]] = ()
    generation_config: Any = None  # how ``generate`` works unless told otherwise, where the folder says so

    def __init__(self, config: Config) -> None:
        super().__init__()
        if not isinstance(config, Config):
            raise ArgumentError(f"{type(self).__name__}: expected a Config, got a {type(config).__name__}")
        self.config = config
        self.gradient_checkpointing = False

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """Load this class from a model folder or by its hub name; ``text.from_pretrained`` has the options."""
        return load(cls, path, **options)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, in the form that transformers reads too."""
        self.config.architectures = [architecture_of(type(self), self.config.model_type)]
        self.config.__dict__.pop("torch_dtype", None)  # its older name
        self.config.dtype = next(p.dtype.name for p in self.parameters() if p.is_floating_point())
        self.config.save_pretrained(folder)
        save_file(self.state_dict(), Path(folder) / WEIGHTS_NAME, {"format": "pt"})
        if self.generation_config is not None:
            self.generation_config.save_pretrained(folder)

    def generate(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **options: Any) -> Any:
        """Continue texts, or answer them: ``text.generation.generate``, whose arguments these are."""
        from text.generation import generate

        return generate(self, input_ids, attention_mask, **options)

    @property
    def base_model(self) -> Any:
        """The model without a head."""
        return getattr(self, self.base_model_prefix, self) if self.base_model_prefix else self

    def get_input_embeddings(self) -> nn.Embedding:
        """The layer that turns token ids into vectors."""
        if self.base_model is self:
            raise NotImplementedError(f"{type(self).__name__} has no get_input_embeddings")
        return self.base_model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """The layer that turns vectors into scores of tokens; None where there is none."""
        return None

    def num_parameters(self, only_trainable: bool = False) -> int:
        """How many numbers the parameters hold; tied ones count once."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)

    def post_init(self) -> None:
        """Draw initial values for all parts that are no models themselves, and tie what is tied."""
        self._init_below(self)
        self.tie_weights()

    def _init_below(self, module: nn.Module) -> None:
        for child in module.children():
            if not isinstance(child, PreTrainedModel):  # it has done so itself
                self._init_below(child)
        self._init_weights(module)

    def _init_weights(self, module: nn.Module) -> None:
        """Draw the initial values of one module's own parameters."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            module._fill_padding_idx_with_zero()

    def tie_weights(self) -> None:
        """Let each pair of ``tied`` share the second one's parameter."""
        if not self.config.tie_word_embeddings:
            return
        for key, source in self.tied:
            owner, _, name = key.rpartition(".")
            setattr(self.get_submodule(owner), name, self.get_parameter(source))

    def resize_token_embeddings(self, num_tokens: int) -> nn.Embedding:
        """Change the number of tokens; rows of new ones are the mean of the old rows, biases of new ones 0.

        transformers draws new rows about that mean with a billionth of the rows' variance.

        Returns:
            The embedding layer.
        """
        if num_tokens < 1:
            raise ArgumentError(f"resize_token_embeddings: num_tokens must be 1 or more, got {num_tokens}")
        embedding, output = self.get_input_embeddings(), self.get_output_embeddings()
        before = embedding.weight
        self._replace(before, resized(before, num_tokens))
        embedding.num_embeddings = num_tokens
        if output is not None:
            if output.weight.shape[0] != num_tokens:  # not tied
                self._replace(output.weight, resized(output.weight, num_tokens))
            if output.bias is not None and output.bias.shape[0] != num_tokens:
                self._replace(output.bias, resized(output.bias, num_tokens))
            output.out_features = num_tokens
        self.config.vocab_size = num_tokens
        return embedding

    def _replace(self, old: nn.Parameter, new: nn.Parameter) -> None:
        """Put a parameter in every place of another, so that ties hold."""
        for module in self.modules():
            for name, parameter in module._parameters.items():
                if parameter is old:
                    setattr(module, name, new)

    def gradient_checkpointing_enable(self) -> None:
        """Compute the layers again in the backward pass instead of keeping what they computed: less memory, more time."""
        for module in self.modules():
            if isinstance(module, PreTrainedModel):
                module.gradient_checkpointing = True

    def gradient_checkpointing_disable(self) -> None:
        """Keep what layers computed."""
        for module in self.modules():
            if isinstance(module, PreTrainedModel):
                module.gradient_checkpointing = False

    def run_layers(
        self,
        layers: Iterable[Callable[..., Any]],
        hidden: Tensor,
        *args: Any,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        first_only: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None, tuple[Tensor, ...] | None]:
        """Send states through layers that are called as ``layer(hidden, *args, output_attentions)``.

        Each returns the new states and its attention weights or None. Flags that are None are the config's. With
        ``first_only`` the last one is called with one more True, unless states or weights of all tokens are asked for.

        Returns:
            The last states; if asked for, those before every layer and the last; if asked for, the weights of every layer.
        """
        config = self.config
        weigh = config.output_attentions if output_attentions is None else output_attentions
        keep = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        states, attentions = [hidden], []
        layers = list(layers)
        last = len(layers) - 1 if first_only and not weigh and not keep else None
        for place, layer in enumerate(layers):
            more = (True,) if place == last else ()
            if self.gradient_checkpointing and self.training:
                hidden, weights = checkpoint(layer, hidden, *args, weigh, *more)
            else:
                hidden, weights = layer(hidden, *args, weigh, *more)
            if keep:
                states.append(hidden)
            if weigh:
                attentions.append(weights)
        return hidden, tuple(states) if keep else None, tuple(attentions) if weigh else None


def check_one_input(input_ids: Any, inputs_embeds: Any) -> None:
    """Refuse none or both of the two inputs that a model takes.

    Raises:
        ArgumentError: so it is.
    """
    if (input_ids is None) == (inputs_embeds is None):
        given = "neither" if input_ids is None else "both"
        raise ArgumentError(f"forward: expected either input_ids or inputs_embeds, got {given}")


def resized(old: nn.Parameter, length: int) -> nn.Parameter:
    """A parameter with more or fewer rows: more are the mean of all rows, or 0 for biases."""
    kept, more = old.detach()[:length], length - old.shape[0]
    if more > 0:
        row = old.detach().mean(0, keepdim=True) if old.ndim > 1 else old.detach().new_zeros(1)
        kept = cat([kept, row.expand(more, *row.shape[1:])])
    return nn.Parameter(kept.clone(), requires_grad=old.requires_grad)
