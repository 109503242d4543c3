"""Attention masks, in the form that ``scaled_dot_product_attention`` takes: True where a query may look.

None stands for "everywhere", so that no mask is built where none is needed; masks of all pairs of places are built only
where padding and order, or a window, must be held together.
"""

from __future__ import annotations

from framework.devices import array_module
from framework.errors import ShapeError
from framework.tensor import Tensor, wrap


def padding_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Which keys all queries may look at.

    Args:
        attention_mask: (B, S), 0 at padding; (B, L, S) for each query; or (B, 1 or heads, L, S), bool or numbers to add to
            the scores, which stays as it is.

    Returns:
        bool (B, 1, 1, S) or (B, 1, L, S); None where ``attention_mask`` is None or all ones.

    Raises:
        ShapeError: it has another number of dims.
    """
    if attention_mask is None:
        return None
    if attention_mask.ndim == 4:
        return attention_mask
    if attention_mask.ndim not in (2, 3):
        raise ShapeError(
            f"attention_mask: expected (B, S), (B, L, S) or (B, heads, L, S), got {tuple(attention_mask.shape)}"
        )
    seen = attention_mask.array != 0
    if bool(seen.all()):
        return None
    return wrap(seen[:, None, None, :] if seen.ndim == 2 else seen[:, None])


def causal_mask(
    queries: int, keys: int, attention_mask: Tensor | None = None, window: int | None = None, *, like: Tensor
) -> tuple[Tensor | None, bool]:
    """What a decoder's queries, which are the last of the keys, may look at: keys that are not after them.

    Args:
        queries: L.
        keys: S, those in the cache and the new ones.
        attention_mask: as for ``padding_mask``; padding may stand on either side. One of 4 dims is taken as it is.
        window: how many keys back a query sees, its own counted; all unless given.
        like: a tensor on whose device the mask is wanted.

    Returns:
        ``attn_mask`` and ``is_causal`` for ``scaled_dot_product_attention``.
    """
    mask = padding_mask(attention_mask)
    if mask is not None and attention_mask is not None and attention_mask.ndim == 4:
        return mask, False
    if window is None or window >= keys:
        window = None
        if queries == 1:
            return mask, False
        if mask is None and queries == keys:
            return None, True
    xp = array_module(like.array)
    places = xp.arange(keys)
    rows = places[keys - queries :, None]
    visible = places <= rows
    if window is not None:
        visible &= places > rows - window
    return wrap(visible if mask is None else visible & mask.array), False


def window_mask(length: int, radius: int, attention_mask: Tensor | None = None, *, like: Tensor) -> Tensor | None:
    """What an encoder's queries may look at within ``radius`` places on either side: bool, broadcasts to (B, 1, S, S).

    Args:
        length: S.
        radius: places on each side.
        attention_mask: (B, S), as for ``padding_mask``.
        like: a tensor on whose device the mask is wanted.
    """
    mask = padding_mask(attention_mask)
    if radius >= length - 1:
        return mask
    xp = array_module(like.array)
    places = xp.arange(length)
    near = xp.abs(places - places[:, None]) <= radius
    return wrap(near if mask is None else near & mask.array)
