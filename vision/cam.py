"""Where in a picture a classifier finds a class.

Reference: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import nn
from framework.autograd import grad
from framework.autograd.mode import enable_grad
from framework.errors import ArgumentError, nearest
from framework.nn.functional import interpolate
from framework.ops.values import as_tensor
from framework.tensor import Tensor


def grad_cam(
    model: nn.Module, images: Tensor, target: int | Sequence[int] | Tensor | None = None, layer: str | None = None
) -> Tensor:
    """Maps of how much each place of pictures speaks for a class.

    Args:
        model: a classifier whose inner layers give feature maps. It is run in evaluation mode, and stays as it is.
        images: (N, C, H, W), prepared as for the model.
        target: the class, one for all pictures or one a picture; each picture's first guess unless given.
        layer: the dotted name of the layer whose maps are weighed; the last that gives maps larger than 1 x 1 unless given.
            Its output is (N, C, H, W); the stages of a Swin transformer hold the channels last, so name its ``permute``.

    Returns:
        (N, H, W), floats between 0 and 1: 1 is the place of each picture that speaks most for the class.

    Raises:
        ArgumentError: the model has no such layer, or none gives feature maps.

    Example:
        >>> heat = vision.grad_cam(model, weights.transforms()(picture).unsqueeze(0))[0]
    """
    modules = dict(model.named_modules())
    if layer is not None and layer not in modules:
        raise ArgumentError(f"grad_cam: the model has no layer {layer!r}{nearest(layer, modules)}")
    kept: dict[str, Any] = {}

    def keep(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor) and output.ndim == 4 and (layer is not None or max(output.shape[2:]) > 1):
            # a copy goes on, since a later layer may write in place into what this one gave
            kept["maps"] = output
            return output.clone()
        return None

    hooks = [m.register_forward_hook(keep) for n, m in modules.items() if n and (layer is None or n == layer)]
    modes = {module: module.training for module in modules.values()}
    try:
        for module in modes:
            module.training = False
        with enable_grad():
            # a leaf that asks for gradients reaches every layer, also where all parameters are frozen
            scores = model(images.detach().requires_grad_())
            if "maps" not in kept:
                what = f"layer {layer!r} gives no" if layer is not None else "no layer gives"
                raise ArgumentError(f"grad_cam: {what} feature maps (N, C, H, W)")
            maps = kept["maps"]
            chosen = scores.argmax(1) if target is None else as_tensor(target, device=scores.device).expand(len(scores))
            slopes: Any = grad(scores.gather(1, chosen.unsqueeze(1)).sum(), maps)[0]
    finally:
        for handle in hooks:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    weights = slopes.mean((2, 3), keepdim=True)
    heat = (weights * maps.detach()).sum(1, keepdim=True).relu()
    heat = interpolate(heat, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    largest = heat.amax((1, 2), keepdim=True)
    return heat / largest.where(largest > 0, 1.0)
