"""Einstein summation: repeated letters meet, letters missing from the result are summed. Contractions are matmuls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from framework.autograd.autocast import listed, recast, region
from framework.errors import ArgumentError, ShapeError
from framework.ops.arithmetic import mul
from framework.ops.matmul import check_operands, matmul
from framework.ops.shape import permute

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
Labels = list[Any]  # letters, and ("...", k) for the k-th dim from the end of an ellipsis


def einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products over named dims: ``einsum("bij,bjk->bik", x, y)`` is a batched matrix product.

    Args:
        equation: a letter for each dim of each operand, operands separated by commas; ``...`` for any further dims,
            which broadcast; after ``->`` the dims of the result. Without ``->`` the result has the letters that occur
            once, in alphabetical order. Or operands and lists of numbers from 0 to 51 by turns:
            ``einsum(x, [0, 1], [1, 0])``.

    Raises:
        ArgumentError: the equation is malformed, or does not fit the operands.

    Example:
        >>> framework.einsum("ii", framework.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not operands:
        raise ArgumentError("einsum(): must specify at least one operand")
    tensors = list(operands)
    if region() is None:
        check_operands("einsum", *tensors)
    elif listed("einsum", tensors):
        return recast(einsum, {}, equation, *tensors)
    inputs, output = _parse(equation, tensors)
    lengths: dict[Any, int] = {}
    for number, labels in enumerate(inputs):
        tensors[number], inputs[number] = _diagonals(tensors[number], labels, number)
        for label, n in zip(inputs[number], tensors[number].shape, strict=True):
            if lengths.get(label, 1) not in (1, n) and n != 1:
                raise ShapeError(
                    f"einsum(): subscript {_shown(label)} has size {n} for operand {number} which does not broadcast "
                    f"with previously seen size {lengths[label]}"
                )
            lengths[label] = max(lengths.get(label, n), n) if n != 0 and lengths.get(label) != 0 else 0
    x, labels = tensors[0], inputs[0]
    for number in range(1, len(tensors)):
        later = {label for rest in inputs[number + 1 :] for label in rest} | set(output)
        x, labels = _contract(x, labels, tensors[number], inputs[number], later)
    x, labels = _sum_out(x, labels, set(output))
    missing = [label for label in output if label not in labels]
    if missing:
        raise ArgumentError(
            f"einsum(): output subscript {_shown(missing[0])} does not appear in the equation for any input"
        )
    order = tuple(labels.index(label) for label in output)
    return x if order == tuple(range(len(order))) else permute(x, order)


def _shown(label: Any) -> str:
    return label if isinstance(label, str) else "..."


def _from_lists(items: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation and operands of the form with sublists."""
    operands, terms = [], []
    position = 0
    while position + 1 < len(items) and not isinstance(items[position], list | tuple):
        operands.append(items[position])
        terms.append(_spell(items[position + 1]))
        position += 2
    result = "->" + _spell(items[position]) if position < len(items) else ""
    return ",".join(terms) + result, tuple(operands)


def _spell(numbers: Any) -> str:
    letters = []
    for n in numbers:
        if n is Ellipsis:
            letters.append("...")
        elif 0 <= n < len(_LETTERS):
            letters.append(_LETTERS[n])
        else:
            raise ArgumentError(f"einsum(): expected subscripts in the range [0, {len(_LETTERS)}), got {n}")
    return "".join(letters)


def _parse(equation: str, tensors: Sequence[Any]) -> tuple[list[Labels], Labels]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        fewer = "fewer" if len(terms) > len(tensors) else "more"
        raise ArgumentError(
            f"einsum(): {fewer} operands were provided ({len(tensors)}) than specified in the equation ({len(terms)})"
        )
    inputs, widest = [], 0
    for number, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        letters, dots, tail = _split_term(term, f"operand {number}")
        hidden = tensor.ndim - len(letters) - len(tail)
        if hidden < 0 or (hidden > 0 and not dots):
            raise ArgumentError(
                f"einsum(): the number of subscripts in the equation ({len(letters) + len(tail)}) "
                f"{'is more than' if hidden < 0 else 'does not match'} the number of dimensions ({tensor.ndim}) for "
                f"operand {number}" + ("" if dots or hidden < 0 else " and no ellipsis was given")
            )
        inputs.append([*letters, *_hidden_labels(hidden), *tail])
        widest = max(widest, hidden)
    if not arrow:
        counts: dict[str, int] = {}
        for letter in "".join(terms).replace(".", "").replace(",", ""):
            counts[letter] = counts.get(letter, 0) + 1
        return inputs, [*_hidden_labels(widest), *sorted(k for k, n in counts.items() if n == 1)]
    letters, dots, tail = _split_term(right, "the output")
    repeated = [k for k in letters + tail if (letters + tail).count(k) > 1]
    if repeated:
        raise ArgumentError(f"einsum(): output subscript {repeated[0]} appears more than once in the output")
    return inputs, [*letters, *(_hidden_labels(widest) if dots else ()), *tail]


def _hidden_labels(count: int) -> Labels:
    return [("...", k) for k in range(count, 0, -1)]


def _split_term(term: str, where: str) -> tuple[list[str], bool, list[str]]:
    head, dots, tail = term.partition("...")
    for letter in head + tail:
        if letter not in _LETTERS:
            what = "found '.' that is not part of any ellipsis" if letter == "." else f"invalid subscript {letter!r}"
            raise ArgumentError(f"einsum(): {what} for {where}; subscripts are letters in [a-zA-Z]")
    return list(head), bool(dots), list(tail)


def _diagonals(x: Any, labels: Labels, number: int) -> tuple[Any, Labels]:
    """A repeated letter within one operand takes the diagonal."""
    from framework.ops.diagonals import diagonal

    while len(set(labels)) < len(labels):
        first = next(i for i, label in enumerate(labels) if labels.count(label) > 1)
        second = labels.index(labels[first], first + 1)
        if x.shape[first] != x.shape[second]:
            raise ShapeError(
                f"einsum(): subscript {_shown(labels[first])} is repeated for operand {number} but the sizes don't "
                f"match, {x.shape[second]} != {x.shape[first]}"
            )
        label = labels[first]
        x = diagonal(x, 0, first, second)
        labels = [k for i, k in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _sum_out(x: Any, labels: Labels, wanted: set[Any]) -> tuple[Any, Labels]:
    """Sum over the dims that nothing needs any more."""
    gone = [i for i, label in enumerate(labels) if label not in wanted]
    if not gone:
        return x, labels
    return x.sum(tuple(gone)), [label for label in labels if label in wanted]


def _drop_ones(x: Any, labels: Labels, other: Any, other_labels: Labels) -> tuple[Any, Labels]:
    """Without the dims of length 1 that are longer in the other operand."""
    kept = [
        i
        for i, label in enumerate(labels)
        if not (x.shape[i] == 1 and label in other_labels and other.shape[other_labels.index(label)] != 1)
    ]
    if len(kept) == len(labels):
        return x, labels
    return x.reshape([x.shape[i] for i in kept]), [labels[i] for i in kept]


def _contract(a: Any, la: Labels, b: Any, lb: Labels, later: set[Any]) -> tuple[Any, Labels]:
    """The product of two operands, summed over the dims that only they have."""
    a, la = _drop_ones(a, la, b, lb)
    b, lb = _drop_ones(b, lb, a, la)
    a, la = _sum_out(a, la, later | set(lb))
    b, lb = _sum_out(b, lb, later | set(la))
    batch = [k for k in la if k in lb and k in later]
    inner = [k for k in la if k in lb and k not in later]
    kept_a, kept_b = [k for k in la if k not in lb], [k for k in lb if k not in la]
    sizes = {**dict(zip(la, a.shape, strict=True)), **dict(zip(lb, b.shape, strict=True))}
    if not inner:  # nothing to sum: an elementwise product
        order = batch + kept_a + kept_b
        return mul(_aligned(a, la, order), _aligned(b, lb, order)), order
    count = {name: math.prod(sizes[k] for k in group) for name, group in
             (("batch", batch), ("inner", inner), ("a", kept_a), ("b", kept_b))}  # fmt: skip
    left = _matrix(a, la, batch, kept_a, inner, count["batch"], count["a"], count["inner"])
    right = _matrix(b, lb, batch, kept_b, inner, count["batch"], count["b"], count["inner"]).swapaxes(-1, -2)
    y = matmul(left, right)
    order = batch + kept_a + kept_b
    return y.reshape([sizes[k] for k in order]), order


def _aligned(x: Any, labels: Labels, order: Labels) -> Any:
    """The dims in a common order, with length 1 for those that are missing."""
    present = [k for k in order if k in labels]
    x = permute(x, [labels.index(k) for k in present])
    lengths = dict(zip(present, x.shape, strict=True))
    return x.reshape([lengths.get(k, 1) for k in order])


def _matrix(x: Any, labels: Labels, batch: Labels, kept: Labels, inner: Labels, nb: int, nk: int, ni: int) -> Any:
    """An operand as (batch, kept, inner), or (kept, inner) without a batch, in the memory order that avoids a copy."""
    lead = (nb,) if batch else ()
    if labels[-1] in inner or not kept:
        order = batch + kept + inner
        return permute(x, [labels.index(k) for k in order]).reshape((*lead, nk, ni))
    order = batch + inner + kept
    return permute(x, [labels.index(k) for k in order]).reshape((*lead, ni, nk)).swapaxes(-1, -2)
