"""``GradScaler``: losses scaled up, so that float16 gradients do not vanish, and gradients scaled down again."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

import numpy as np

from framework import devices, dtypes, kernels
from framework.autograd.views import bump
from framework.devices import array_module
from framework.errors import ArgumentError, ScalerError
from framework.tensor import Tensor, wrap


class OptState(Enum):
    """How far an optimizer has come since the last ``update``."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class _Progress:
    """An optimizer's stage, and for each device whether its gradients held an infinity or a nan."""

    def __init__(self) -> None:
        self.stage = OptState.READY
        self.found: dict[Any, Any] = {}


class GradScaler:
    """The scale of the loss in float16 training, as large as the gradients can bear.

    The gradients of a scaled loss are scaled too; ``step`` divides them by the scale and calls the optimizer's, unless
    one of them is infinite or nan: then the step is left out. ``update`` lowers the scale after such a step, and raises
    it when there was none for long. bfloat16 has the range of float32 and needs none of this.

    Args:
        device: "cuda" or "cpu", where the losses are.
        init_scale: the scale to start with.
        growth_factor: what the scale is multiplied by after ``growth_interval`` good steps in a row, above 1.
        backoff_factor: what it is multiplied by after a step that was left out, below 1.
        growth_interval: see there.
        enabled: False lets losses and steps through as they are.

    Warns:
        where "cuda" is asked for and there is no GPU: it is not enabled then.

    Example:
        >>> scaler = framework.amp.GradScaler()
        >>> for x, y in loader:
        ...     optimizer.zero_grad()
        ...     with framework.autocast("cuda", dtype=framework.float16):
        ...         loss = loss_fn(model(x), y)
        ...     scaler.scale(loss).backward()
        ...     scaler.unscale_(optimizer)  # needed to look at gradients or clip them
        ...     framework.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        ...     scaler.step(optimizer)
        ...     scaler.update()

    Reference: Micikevicius et al., Mixed Precision Training, https://arxiv.org/abs/1710.03740.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda":
            from framework import cuda

            if not cuda.is_available():
                warnings.warn("GradScaler: CUDA is not available; gradients are not scaled", stacklevel=2)
                self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise ArgumentError(f"GradScaler: the growth factor must be > 1.0, got {growth_factor}")
            if backoff_factor >= 1.0:
                raise ArgumentError(f"GradScaler: the backoff factor must be < 1.0, got {backoff_factor}")
        self._init_scale = init_scale
        self._init_growth_tracker = 0
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None  # on the device of the first loss, as what follows
        self._growth_tracker: Tensor | None = None
        self._per_optimizer_states: defaultdict[int, _Progress] = defaultdict(_Progress)

    # The steps of an iteration

    def scale(self, outputs: Any) -> Any:
        """Losses (a tensor, or nested lists and tuples of them) times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale_on(outputs)
        if isinstance(outputs, list | tuple):
            return type(outputs)([self.scale(o) for o in outputs])
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ArgumentError(f"GradScaler.scale: expected a Tensor or an iterable of them, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, once before ``step``, to clip or look at them.

        Raises:
            ScalerError: the gradients are unscaled already, the step is done, or no loss was scaled.
            ArgumentError: a gradient is float16: then the parameter is, whose updates would vanish too; keep the
                parameters in float32 and let autocast convert them.
        """
        if not self._enabled:
            return
        scale = self._started("unscale_")[0]
        progress = self._per_optimizer_states[id(optimizer)]
        if progress.stage is OptState.UNSCALED:
            raise ScalerError(
                "GradScaler: unscale_() has already been called on this optimizer since the last update()"
            )
        if progress.stage is OptState.STEPPED:
            raise ScalerError("GradScaler: unscale_() is being called after step()")
        groups: dict[Any, list[Tensor]] = {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.dtype is dtypes.float16:
                    raise ArgumentError(
                        "GradScaler: Attempting to unscale FP16 gradients; keep the model's parameters in float32 and "
                        "run it under autocast, or train it in bfloat16 without a GradScaler"
                    )
                groups.setdefault((devices.of(p.grad.array), p.grad.dtype), []).append(p.grad)
        inverse = (1.0 / scale.array.astype(np.float64)).astype(np.float32)
        progress.found.clear()
        for (where, _), gradients in groups.items():
            arrays = [g.array for g in gradients]
            kernel = kernels.choose("optimizer", *arrays, rule="unscale")
            with devices.returning():
                devices.turn_to(gradients)
                found = kernel.unscale(arrays, devices.move(array_module(scale.array).asarray(inverse), where))
            progress.found[where] = progress.found[where] + found if where in progress.found else found
            for g in gradients:
                bump(g, "GradScaler.unscale_")
        progress.stage = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)`` with unscaled gradients; left out where one is infinite or nan.

        Whether it is left out is the one thing in an iteration that the program waits for the GPU to know.

        Raises:
            ScalerError: it was called since the last ``update``, no loss was scaled, no parameter has a gradient, or a
                ``closure`` is given, which would compute the gradients anew.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise ScalerError("GradScaler: closure use is not supported; compute the gradients before step()")
        self._started("step")
        progress = self._per_optimizer_states[id(optimizer)]
        if progress.stage is OptState.STEPPED:
            raise ScalerError("GradScaler: step() has already been called since the last update()")
        if progress.stage is OptState.READY:
            self.unscale_(optimizer)
        if not progress.found:
            raise ScalerError(
                "GradScaler: No inf checks were recorded for this optimizer: none of its parameters has a grad"
            )
        result = None
        if not sum(float(found) for found in progress.found.values()):
            result = optimizer.step(*args, **kwargs)
        progress.stage = OptState.STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """End an iteration: lower the scale if a step was left out, raise it after enough good ones.

        Args:
            new_scale: the scale to go on with, instead of the one that follows.
        """
        if not self._enabled:
            return
        scale, tracker = self._started("update")
        if new_scale is not None:
            if isinstance(new_scale, Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
                raise ArgumentError(
                    "GradScaler.update: new_scale should be a float or a 1-element tensor with requires_grad=False, got "
                    f"shape {tuple(new_scale.shape)}"
                )
            scale.array[...] = new_scale.array.reshape(()) if isinstance(new_scale, Tensor) else new_scale
        else:
            here = devices.of(scale.array)
            found = [
                devices.move(array_module(f).asarray(f), here)
                for progress in self._per_optimizer_states.values()
                for f in progress.found.values()
            ]
            if not found:
                raise ScalerError("GradScaler: No inf checks were recorded prior to update; call step() first")
            self._follow(scale.array, tracker.array, sum(found[1:], found[0]))
        self._per_optimizer_states = defaultdict(_Progress)

    def _follow(self, scale: Any, tracker: Any, found: Any) -> None:
        """The next scale and the count of good steps, in place, without waiting for the GPU."""
        xp = array_module(scale)
        bad = found > 0
        good = xp.where(bad, 0, tracker + 1)
        grows = good == self._growth_interval
        grown = scale * np.float32(self._growth_factor)
        grown = xp.where(grows & xp.isfinite(grown), grown, scale)
        scale[...] = xp.where(bad, scale * np.float32(self._backoff_factor), grown)
        tracker[...] = xp.where(grows, 0, good)

    def _scale_on(self, output: Tensor) -> Tensor:
        """The scale where an output is; the first output says where it is kept."""
        where = devices.of(output.array)
        if self._scale is None:
            xp = array_module(output.array)
            self._scale = wrap(devices.move(xp.asarray(self._init_scale, np.float32), where))
            self._growth_tracker = wrap(devices.move(xp.asarray(self._init_growth_tracker, np.int32), where))
        return self._scale if devices.of(self._scale.array) == where else wrap(devices.move(self._scale.array, where))

    def _started(self, name: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise ScalerError(
                f"GradScaler: Attempted {name} but _scale is None: no loss went through scale() earlier in the iteration"
            )
        return self._scale, self._growth_tracker

    # What it is set to

    def get_scale(self) -> float:
        """The scale as a number, which waits for the GPU; 1.0 where it is not enabled."""
        if not self._enabled:
            return 1.0
        return float(self._init_scale) if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        """What the scale is raised by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale is raised by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is lowered by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale is lowered by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """The good steps in a row after which the scale is raised."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the good steps in a row after which the scale is raised."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and what governs it, as numbers: to be saved after ``update``. Empty where it is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._get_growth_tracker(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave, here or in PyTorch; nothing where it is not enabled.

        Raises:
            ArgumentError: it is empty, as one of a scaler that was not enabled is.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise ArgumentError(
                "GradScaler: The source state dict is empty, possibly because it was saved from a disabled GradScaler"
            )
        self._init_scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = int(state_dict["_growth_tracker"])
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.array[...] = self._init_scale
            self._growth_tracker.array[...] = self._init_growth_tracker

    def __getstate__(self) -> dict[str, Any]:
        if self._per_optimizer_states:
            raise ScalerError(
                "GradScaler: a GradScaler may be pickled only at the beginning of an iteration, or after update()"
            )
        state = self.__dict__.copy()
        state.update(_init_scale=self.get_scale() if self._enabled else self._init_scale, _scale=None)
        state.update(_init_growth_tracker=self._get_growth_tracker(), _growth_tracker=None)
        return state
