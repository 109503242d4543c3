"""What narrows down or reshapes the distribution that the next token is drawn from, with transformers' names and results.

Where tokens are equally likely at a border, all of them stay; transformers lets chance decide.
"""

from __future__ import annotations

from typing import Any

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from text.generation.processors import LOWEST, LogitsProcessor


def log_probabilities(scores: Any) -> Any:
    """Scores (B, vocabulary), an array, as logarithms of probabilities."""
    return scores - log_sums(scores)


def log_sums(scores: Any) -> Any:
    """What ``log_probabilities`` takes away from scores (B, vocabulary): (B, 1)."""
    xp, most = array_module(scores), scores.max(-1, keepdims=True)
    shares = scores - most
    xp.exp(shares, out=shares)
    return most + xp.log(shares.sum(-1, keepdims=True))


def probabilities(scores: Any) -> Any:
    """Scores (B, vocabulary), an array, as probabilities."""
    shares = scores - scores.max(-1, keepdims=True)
    array_module(scores).exp(shares, out=shares)
    shares /= shares.sum(-1, keepdims=True)
    return shares


def _keep(scores: Any, kept: Any) -> Tensor:
    return wrap(array_module(scores).where(kept, scores, scores.dtype.type(LOWEST)))


def _largest(array: Any, count: int) -> Any:
    """The ``count``-th largest number of each row, (B, 1)."""
    place = max(array.shape[1] - count, 0)
    return array_module(array).partition(array, place, -1)[:, place, None]


class Warper(LogitsProcessor):
    """The base of those that leave at least ``min_tokens_to_keep`` tokens."""

    def __init__(self, min_tokens_to_keep: int = 1) -> None:
        if min_tokens_to_keep < 1:
            raise ArgumentError(f"min_tokens_to_keep: expected 1 or more, got {min_tokens_to_keep}")
        self.min_tokens_to_keep = min_tokens_to_keep


class TemperatureLogitsWarper(LogitsProcessor):
    """Divides scores by ``temperature``: below 1 makes likely tokens likelier, above 1 evens them out."""

    def __init__(self, temperature: float) -> None:
        if temperature <= 0:
            raise ArgumentError(f"temperature: expected a number above 0, got {temperature}; for none, do_sample=False")
        self.temperature = float(temperature)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of the same order."""
        return wrap(scores.array / self.temperature)


class TopKLogitsWarper(Warper):
    """Keeps the ``top_k`` likeliest tokens."""

    def __init__(self, top_k: int, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        if top_k < 1:
            raise ArgumentError(f"top_k: expected 1 or more, or 0 for all, got {top_k}")
        self.top_k = max(top_k, min_tokens_to_keep)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        array = scores.array
        return _keep(array, array >= _largest(array, self.top_k))


class TopPLogitsWarper(Warper):
    """Keeps the fewest likeliest tokens that are ``top_p`` likely together.

    Reference: Holtzman et al., "The Curious Case of Neural Text Degeneration", https://arxiv.org/abs/1904.09751.
    """

    def __init__(self, top_p: float, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        self.top_p = _share("top_p", top_p)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        xp, array = array_module(scores.array), scores.array
        ordered = xp.sort(array, -1)
        unlikely = (probabilities(ordered).cumsum(-1) <= 1 - self.top_p).sum(-1)
        last = xp.minimum(unlikely, max(array.shape[1] - self.min_tokens_to_keep, 0))
        return _keep(array, array >= xp.take_along_axis(ordered, last[:, None], -1))


class MinPLogitsWarper(Warper):
    """Keeps tokens that are at least ``min_p`` times as likely as the likeliest.

    Reference: Nguyen et al., "Turning Up the Heat: Min-p Sampling", https://arxiv.org/abs/2407.01082.
    """

    def __init__(self, min_p: float, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        self.min_p = _share("min_p", min_p)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        array = scores.array
        shares = probabilities(array)
        kept = shares >= self.min_p * shares.max(-1, keepdims=True)
        return _keep(array, kept | (array >= _largest(array, self.min_tokens_to_keep)))


class TypicalLogitsWarper(Warper):
    """Keeps tokens whose information is nearest to what is expected, until they are ``mass`` likely together.

    Reference: Meister et al., "Locally Typical Sampling", https://arxiv.org/abs/2202.00666.
    """

    def __init__(self, mass: float = 0.9, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        self.mass = _share("typical_p", mass)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        xp, array = array_module(scores.array), scores.array
        logs = log_probabilities(array)
        shares = xp.exp(logs)
        entropy = -xp.nansum(logs * shares, -1, keepdims=True)
        far = xp.abs(-logs - entropy)
        order = xp.argsort(far, -1)
        mass = xp.take_along_axis(shares, order, -1).cumsum(-1)
        last = xp.maximum((mass < self.mass).sum(-1), self.min_tokens_to_keep - 1)
        last = xp.minimum(last, array.shape[1] - 1)
        border = xp.take_along_axis(far, xp.take_along_axis(order, last[:, None], -1), -1)
        return _keep(array, far <= border)


class EpsilonLogitsWarper(Warper):
    """Keeps tokens that are at least ``epsilon`` likely.

    Reference: Hewitt et al., "Truncation Sampling as Language Model Desmoothing", https://arxiv.org/abs/2210.15191.
    """

    def __init__(self, epsilon: float, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        self.epsilon = _share("epsilon_cutoff", epsilon)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        array = scores.array
        kept = probabilities(array) >= self.epsilon
        return _keep(array, kept | (array >= _largest(array, self.min_tokens_to_keep)))


class EtaLogitsWarper(Warper):
    """Keeps tokens that are at least ``epsilon`` likely, or less where the distribution is broad.

    Reference: Hewitt et al., "Truncation Sampling as Language Model Desmoothing", https://arxiv.org/abs/2210.15191.
    """

    def __init__(self, epsilon: float, min_tokens_to_keep: int = 1) -> None:
        super().__init__(min_tokens_to_keep)
        self.epsilon = _share("eta_cutoff", epsilon)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores in which only these can be had."""
        xp, array = array_module(scores.array), scores.array
        logs = log_probabilities(array)
        shares = xp.exp(logs)
        entropy = -xp.nansum(logs * shares, -1, keepdims=True)
        least = xp.minimum(self.epsilon, self.epsilon**0.5 * xp.exp(-entropy))
        return _keep(array, (shares >= least) | (array >= _largest(array, self.min_tokens_to_keep)))


class LogitNormalization(LogitsProcessor):
    """Makes scores logarithms of probabilities again."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores whose exponentials sum to 1."""
        return wrap(log_probabilities(scores.array))


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name}: expected a number from 0 to 1, got {value}")
    return float(value)
