"""Rotary positions: pairs of features of queries and keys are turned by angles that grow with the token's place.

References: Su et al., "RoFormer", https://arxiv.org/abs/2104.09864; for longer texts than a model was trained on: linear,
https://arxiv.org/abs/2306.15595; YaRN, https://arxiv.org/abs/2309.00071; LongRoPE, https://arxiv.org/abs/2402.13753.

A config says ``rope_parameters = {"rope_type": ..., "rope_theta": ..., ...}``; older files say ``rope_theta`` and
``rope_scaling``. Where we differ from transformers: what depends on a text's length ("dynamic", "longrope") depends on the
present call's longest text alone, not on those of earlier calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.models.config import Config

SHORTEST = 256  # places that a table has at least

Rotation = tuple[Any, Any]  # cosines and sines, arrays that broadcast to (B, L, 1, 2, pairs)


class Rotate(Op):
    """Pairs of features i and i + pairs of (B, L, heads, D), turned by angles given as cosines and sines.

    Features past the ``2 * pairs`` first stay as they are.
    """

    name = "RotaryPositions"

    def forward(self, x: Any, cosines: Any, sines: Any) -> Any:
        self.rotation = cosines, sines
        return rotated(x, cosines, sines)

    def backward(self, g: Any) -> Any:
        cosines, sines = self.rotation
        return apply(Rotate, g, cosines=cosines, sines=-sines)


def rotated(x: Any, cosines: Any, sines: Any) -> Any:
    """``Rotate`` of an array. The sines of the first features of the pairs come with a minus."""
    width = 2 * cosines.shape[-1]
    if x.shape[-1] > width:
        xp = array_module(x)
        return xp.concatenate([rotated(x[..., :width], cosines, sines), x[..., width:]], -1)
    pairs = x.reshape(*x.shape[:-1], 2, width // 2)
    y = pairs * cosines
    y += pairs[..., ::-1, :] * sines
    return y.reshape(x.shape)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Queries or keys (B, L, heads, D) turned by their tokens' places, which ``RotaryPositions`` gives as a rotation."""
    return apply(Rotate, x, cosines=rotation[0], sines=rotation[1])


class RotaryPositions:
    """Angles of places, by a config's ``rope_parameters``.

    Args:
        config: with ``head_dim``, or ``hidden_size`` and ``num_attention_heads``.
        parameters: instead of the config's.

    Raises:
        ArgumentError: the ``rope_type`` is not known, or lacks a parameter.

    Example:
        >>> rotation = RotaryPositions(config)(0, 5, like=x)
        >>> query = rotate(query, rotation)  # (B, 5, heads, D)
    """

    def __init__(self, config: Config, parameters: Mapping[str, Any] | None = None) -> None:
        self.parameters = rope_parameters(config) if parameters is None else dict(parameters)
        self.kind = self.parameters["rope_type"]
        if self.kind not in KINDS:
            raise ArgumentError(f"rope_type: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        self.longest = config.max_position_embeddings
        width = config.get("head_dim") or config.hidden_size // config.num_attention_heads
        self.width = int(width * self.parameters.get("partial_rotary_factor", 1.0))
        self._tables: dict[Any, Rotation] = {}
        try:
            KINDS[self.kind](self.parameters, self.width, self.longest, 1)
        except KeyError as error:
            raise ArgumentError(f"rope_type {self.kind!r} needs the parameter {error}") from None

    def __call__(self, start: int, stop: int, position_ids: Tensor | None = None, *, like: Tensor) -> Rotation:
        """The rotation of the places from ``start`` to ``stop``, or of ``position_ids`` (B, L).

        Args:
            like: a tensor of whose type, and on whose device, it is wanted.
        """
        places: Any = slice(start, stop)
        if position_ids is not None:
            places = position_ids.array
            stop = int(places.max()) + 1 if places.size else 0
        if self.kind == "dynamic" and stop > self.longest:  # each such length has frequencies of its own
            xp = array_module(like.array)
            return self._turned(xp.arange(start, stop) if position_ids is None else places, stop, like)
        cosines, sines = self._table(stop, like)
        return cosines[places], sines[places]

    def _table(self, length: int, like: Tensor) -> Rotation:
        """The rotation of all places up to ``length`` or beyond."""
        xp = array_module(like.array)
        most = self.parameters["original_max_position_embeddings"]
        regime = most + 1 if self.kind == "longrope" and length > most else 1
        key = xp, like.array.dtype, regime
        held = self._tables.get(key)
        if held is None or len(held[0]) < length:
            places = xp.arange(max(length, 2 * len(held[0]) if held else SHORTEST))
            held = self._tables[key] = self._turned(places, regime, like)
        return held

    def _turned(self, places: Any, length: int, like: Tensor) -> Rotation:
        """The rotation of an array of places, with the frequencies for texts of a length: (..., 1, 2, pairs)."""
        frequencies, factor = KINDS[self.kind](self.parameters, self.width, self.longest, length)
        xp = array_module(places)
        angles = places.astype(np.float32)[..., None, None] * xp.asarray(frequencies)
        cosines, sines = (f(angles) * np.float32(factor) for f in (xp.cos, xp.sin))
        made = xp.stack([cosines, cosines], -2), xp.stack([-sines, sines], -2)
        return tuple(t.astype(like.array.dtype) for t in made)  # type: ignore[return-value]


def rope_parameters(config: Config) -> dict[str, Any]:
    """A config's parameters of rotary positions, in their present form.

    Raises:
        ArgumentError: there is one for each type of layer.
    """
    given = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    if any(isinstance(value, Mapping) for value in given.values()):
        raise ArgumentError(f"rope_parameters: expected one table for all layers, got tables {', '.join(given)}")
    older = given.pop("type", "default")
    given.setdefault("rope_type", older)
    if given.get("rope_theta") is None:
        given["rope_theta"] = config.get("rope_theta") or 10000.0
    if config.get("partial_rotary_factor") is not None:
        given.setdefault("partial_rotary_factor", config.partial_rotary_factor)
    if config.get("original_max_position_embeddings"):
        given["original_max_position_embeddings"] = config.original_max_position_embeddings
    given.setdefault("original_max_position_embeddings", config.max_position_embeddings)
    return given


def _plain(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """The frequencies of pairs fall from 1 to 1 / theta. Each of these functions gives them, and a factor of the turned."""
    return _powers(p["rope_theta"], width), 1.0


def _linear(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """Places are divided by the factor."""
    return _powers(p["rope_theta"], width) / np.float32(p["factor"]), 1.0


def _dynamic(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """Theta grows with the length of what is longer than the model's places."""
    factor = p["factor"]
    growth = factor * max(length, longest) / longest - (factor - 1)
    return _powers(p["rope_theta"] * growth ** (width / (width - 2)), width), 1.0


def _yarn(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """Slow pairs are divided by the factor, fast ones stay, and those between go over from one to the other."""
    before, theta = p["original_max_position_embeddings"], p["rope_theta"]
    factor = longest / before if p["factor"] is None else p["factor"]

    def pair(turns: float) -> float:  # the pair that turns so often over the places trained on
        return width * math.log(before / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair(p.get("beta_fast") or 32), pair(p.get("beta_slow") or 1)
    if p.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    slow = np.clip((np.arange(width // 2, dtype=np.float32) - low) / ((high - low) or 0.001), 0, 1)
    plain = _powers(theta, width)
    scale = p.get("attention_factor")
    if scale is None:
        m, m_all = p.get("mscale"), p.get("mscale_all_dim")
        scale = _yarn_scale(factor, m) / _yarn_scale(factor, m_all) if m and m_all else _yarn_scale(factor, 1)
    return (plain / factor * slow + plain * (1 - slow)).astype(np.float32), float(scale)


def _yarn_scale(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1


def _longrope(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """Each pair has a divisor of its own, one for short and one for long texts."""
    before = p["original_max_position_embeddings"]
    divisors = np.asarray(p["long_factor"] if length > before else p["short_factor"], np.float32)
    scale, factor = p.get("attention_factor"), p.get("factor")
    factor = longest / before if factor is None else factor
    if scale is None:
        scale = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(before))
    return _powers(p["rope_theta"], width) / divisors, float(scale)


def _llama3(p: Mapping[str, Any], width: int, longest: int, length: int) -> tuple[Any, float]:
    """As YaRN, by wavelengths: long waves are divided by the factor, short ones stay."""
    before, low, high = p["original_max_position_embeddings"], p["low_freq_factor"], p["high_freq_factor"]
    plain = _powers(p["rope_theta"], width)
    waves = 2 * math.pi / plain
    fast = np.clip((before / waves - low) / (high - low), 0, 1)
    return ((1 - fast) * plain / p["factor"] + fast * plain).astype(np.float32), 1.0


def _powers(theta: float, width: int) -> Any:
    return (1 / theta ** (np.arange(0, width, 2, dtype=np.float32) / width)).astype(np.float32)


KINDS: dict[str, Callable[[Mapping[str, Any], int, int, int], tuple[Any, float]]] = {
    "default": _plain,
    "linear": _linear,
    "dynamic": _dynamic,
    "yarn": _yarn,
    "longrope": _longrope,
    "llama3": _llama3,
}
