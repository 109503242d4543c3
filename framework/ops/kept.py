"""A place for what kernels make of a weight, such as the same values in another layout, while the weight does not change.

Writes by ops are counted. Where they can't be, nothing is kept: once the memory was handed out as a plain array
(``numpy()``, ``data``, DLPack), and as long as something other than the tensor refers to it.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

from framework.tensor import Tensor

REFERENCES = 3  # to an array that its tensor alone holds: the tensor's, the variable's, the argument's


def kept(tensor: Tensor) -> dict[Any, Any] | None:
    """A dict that lives as long as the tensor's values do; None where they may change unseen, and at the first use.

    What is used once is not worth the memory.
    """
    counter, array, made = tensor._shared_counter(), tensor.array, tensor._made
    known = made is not None and made[1] is array
    owner = array.base  # of a channels-last weight: the same memory in another order of axes
    if owner is not None and (getattr(owner, "base", owner) is not None or getrefcount(owner) > REFERENCES):
        return None
    if counter[2] or getrefcount(array) > REFERENCES + known:
        return None
    if made is None or not known or made[0] != counter[0]:
        tensor._made = (counter[0], array, {})
        return None
    return made[2]
