"""What every metric is: counts that batches are added to, and a result that is worked out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError, StateError
from framework.tensor import Tensor, wrap


class Metric:
    """Gathers what batches show and sums it up at the end.

    Subclasses write ``update`` and ``compute`` and name their settings and their state. A state is an array that grows
    by addition (counts), or a list of arrays that grows by appending (records).

    Example:
        >>> metric = TopKAccuracy(k=5)
        >>> for images, target in loader:
        ...     metric.update(model(images), target)
        >>> metric.compute()
    """

    _settings: tuple[str, ...] = ()  # attributes in which two metrics must agree to be merged
    _state: tuple[str, ...] = ()  # attributes that hold what was gathered

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__}: a metric must define reset()")

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of predictions and what they should have been."""
        raise NotImplementedError(f"{type(self).__name__}: a metric must define update(output, target)")

    def compute(self) -> Any:
        """The result over all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__}: a metric must define compute()")

    def merge(self, other: Metric) -> None:
        """Add what another metric of the same kind and settings has gathered, as after its batches came here too."""
        if type(other) is not type(self):
            raise TypeError(f"merge: expected a {type(self).__name__}, got {type(other).__name__}")
        for name in self._settings:
            mine, theirs = getattr(self, name), getattr(other, name)
            if not np.array_equal(mine, theirs):
                raise ArgumentError(f"{type(self).__name__}.merge: {name} differs, {mine!r} here and {theirs!r} there")
        for name in self._state:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def state_dict(self) -> dict[str, Tensor]:
        """What was gathered, as tensors by name."""
        return {name: wrap(np.array(self._joined(name))) for name in self._state}

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take what ``state_dict`` gave in place of what was gathered.

        Raises:
            StateError: the names or shapes are those of another metric, or of other settings.
        """
        if set(state_dict) != set(self._state):
            raise StateError(
                f"{type(self).__name__}: expected the entries {sorted(self._state)}, got {sorted(state_dict)}"
            )
        values = {name: np.array(as_array(state_dict[name])) for name in self._state}
        for name, value in values.items():
            mine = getattr(self, name)
            fits = self._fits(name, value) if isinstance(mine, list) else mine.shape == value.shape
            if not fits:
                raise StateError(f"{type(self).__name__}: {name} has shape {value.shape}; it is of other settings")
        for name, value in values.items():
            setattr(self, name, [value] if isinstance(getattr(self, name), list) else value)

    def _joined(self, name: str) -> np.ndarray[Any, Any]:
        """A state as one array."""
        value = getattr(self, name)
        return np.concatenate(value) if isinstance(value, list) else value

    def _fits(self, name: str, value: np.ndarray[Any, Any]) -> bool:
        """Whether records of this shape are the metric's."""
        return value.shape[1:] == getattr(self, name)[0].shape[1:]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self._settings)
        return f"{type(self).__name__}({', '.join(shown)})"


def as_array(values: Any) -> np.ndarray[Any, Any]:
    """A tensor, an array, or nested lists of numbers, as an array in main memory."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def check_integers(who: str, classes: np.ndarray[Any, Any]) -> None:
    """Refuse class numbers that are no integers."""
    if classes.size and classes.dtype.kind not in "iu":
        raise DtypeError(f"{who}: classes must be integers, got {classes.dtype}; scores have one dimension more")


def count_classes(
    who: str, predicted: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], num_classes: int, ignore_index: int | None
) -> np.ndarray[Any, Any]:
    """How often each class (row) was taken for each other (column): counts (num_classes, num_classes).

    Args:
        who: the metric's name, for errors.
        predicted, truth: class numbers, of one shape.
        num_classes: the number of classes.
        ignore_index: a class number of samples to leave out.
    """
    if predicted.shape != truth.shape:
        raise ShapeError(f"{who}: predictions of shape {predicted.shape} do not fit targets of shape {truth.shape}")
    for values in (predicted, truth):
        check_integers(who, values)
    if ignore_index is not None:
        kept = truth != ignore_index
        predicted, truth = predicted[kept], truth[kept]
    for word, values in (("predicted", predicted), ("target", truth)):
        if values.size and (values.min() < 0 or values.max() >= num_classes):
            wrong = values.min() if values.min() < 0 else values.max()
            raise BoundsError(f"{who}: the {word} class {wrong} is outside 0..{num_classes - 1}")
    places = truth.astype(np.intp).ravel() * num_classes + predicted.astype(np.intp).ravel()
    return np.bincount(places, minlength=num_classes**2).reshape(num_classes, num_classes)


def share(part: Any, whole: Any) -> np.ndarray[Any, Any]:
    """A quotient; NaN where there is nothing to be a share of."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(part, whole))
