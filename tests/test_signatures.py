"""Argument names, their order and their defaults are PyTorch's.

PyTorch's own type stubs say what its compiled functions and methods take, overload by overload; its Python functions
and classes are inspected. Each must be callable here the same way: by position, by keyword, and with the least.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections import defaultdict
from pathlib import Path

import pytest

import framework

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # which torch does not import by itself

UNUSED = {"layout", "pin_memory", "names"}

# Overloads that are not followed, each a name and the arguments that mark it.
RETIRED = "the form with the factors first is retired"
NUMBER_FIRST = "a Python number as the first operand is named self there"
RAW = "the raw form takes the reduction as a number and has no retired arguments"
STUB = "the stub is wrong: PyTorch refuses this call"
EXCEPTIONS = {
    **dict.fromkeys(("add", "sub", "addcmul", "addcdiv", "addbmm", "addmm", "addmv", "addmv_", "addr", "baddbmm"), RETIRED),
    **dict.fromkeys(("pow", "float_power", "remainder", "xlogy", "bucketize", "searchsorted", "where"), NUMBER_FIRST),
    **dict.fromkeys([f"bitwise_{n}" for n in ("and", "or", "xor", "left_shift", "right_shift")], NUMBER_FIRST),
    **dict.fromkeys(("cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "poisson_nll_loss"), RAW),
    **dict.fromkeys(("triplet_margin_loss", "ctc_loss", "gru", "lstm", "rnn_relu", "rnn_tanh", "rrelu"), RAW),
    **dict.fromkeys(("frombuffer", "linspace", "logspace", "tensor", "new_tensor", "requires_grad_", "numel"), STUB),
    **dict.fromkeys(("nonzero_static", "hash_tensor", "new", "gelu"), STUB),
}  # fmt: skip


def overloads(file: str, owner: str | None = None) -> dict[str, list[ast.arguments]]:
    tree = ast.parse((Path(torch.__file__).parent / "_C" / file).read_text())
    body = tree.body
    if owner is not None:
        body = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == owner).body
    found = defaultdict(list)
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name].append(node.args)
    return found


def public(namespace: str, name: str):
    owner = framework
    for part in namespace.split(".") if namespace else ():
        owner = getattr(owner, part)
    return getattr(owner, name, None)


def cases():
    for namespace, file, owner in (
        ("", "_VariableFunctions.pyi", None), ("Tensor", "__init__.pyi", "TensorBase"), ("nn.functional", "_nn.pyi", None),
    ):  # fmt: skip
        theirs = torch
        for part in namespace.split(".") if namespace else ():
            theirs = getattr(theirs, part)
        for name, forms in sorted(overloads(file, owner).items()):
            builtin = namespace != "nn.functional" or type(getattr(theirs, name, None)).__name__.startswith("builtin")
            ours = public(namespace, name)
            if hasattr(theirs, name) and callable(ours) and builtin and name not in EXCEPTIONS:
                yield pytest.param(namespace, name, forms, id=f"{namespace}.{name}".lstrip("."))


def named(form: ast.arguments, aliases: dict[str, str]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Positional names, those of them that are required, keyword-only names, and the required among those."""
    every = [a.arg for a in form.posonlyargs + form.args]
    position = [aliases.get(n, n) for n in every]
    required = position[: len(position) - len(form.defaults)]
    keyword = [a.arg for a in form.kwonlyargs if a.arg not in UNUSED]
    needed = [a.arg for a, d in zip(form.kwonlyargs, form.kw_defaults, strict=True) if d is None and a.arg in keyword]
    return position, required, keyword, needed


def followed(form: ast.arguments) -> bool:
    """Whether the overload takes what there is here: no named dims, no literal ellipsis."""
    annotations = [ast.unparse(a.annotation) for a in form.args + form.kwonlyargs if a.annotation is not None]
    return not any(word in text for text in annotations for word in ("ellipsis", "EllipsisType", "Dimname"))


@pytest.mark.parametrize(("namespace", "name", "forms"), list(cases()))
def test_a_compiled_function_takes_the_same_arguments(namespace, name, forms):
    function = public(namespace, name)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # a builtin of Python's
    aliases = getattr(function, "aliases", getattr(getattr(function, "__wrapped__", None), "aliases", {}))
    wrong = []
    for form in filter(followed, forms):
        position, required, keyword, needed = named(form, aliases)
        owner = (None,) if namespace == "Tensor" and position[:1] == ["self"] else ()
        position, required = position[len(owner) :], required[len(owner) :]
        spread = (0, 0) if form.vararg else ()
        for kind, args, kwargs in (
            ("by position", position, needed), ("with the least", required, needed), ("by keyword", (), keyword),
        ):  # fmt: skip
            named_too = position if kind == "by keyword" and not spread else ()
            try:
                signature.bind(*owner, *(0 for _ in args), *spread, **dict.fromkeys((*named_too, *kwargs), 0))
            except TypeError as error:
                wrong.append(f"{kind} {tuple(position)} {tuple(keyword)}: {error}")
    assert not wrong, f"{name}{signature}: " + "; ".join(wrong)


PYTHON_NAMESPACES = (
    "nn", "nn.Module", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize",
    "nn.utils.parametrizations", "nn.utils.prune", "optim", "optim.Optimizer", "optim.lr_scheduler",
    "optim.lr_scheduler.LRScheduler", "optim.swa_utils", "autograd", "autograd.functional", "func", "utils.data",
    "testing", "random", "nn.Sequential", "nn.ModuleList", "nn.ModuleDict", "nn.Embedding", "nn.MultiheadAttention",
    "nn.Transformer", "nn.TransformerEncoder", "nn.TransformerEncoderLayer", "nn.utils.rnn.PackedSequence",
)  # fmt: skip

# What takes more than PyTorch's signature shows, or names it otherwise; where it differs in kind, why.
PYTHON_EXCEPTIONS = {
    "nn.functional.softmax", "nn.functional.log_softmax", "nn.functional.softmin",  # dtype is found in either place
    "autograd.gradcheck", "autograd.gradgradcheck",  # options about layouts are taken and not used
    "utils.data.get_worker_info",
    *(f"nn.functional.{n}{d}d_with_indices" for d in (1, 2, 3) for n in ("max_pool", "adaptive_max_pool")),
    *(f"nn.functional.fractional_max_pool{d}d_with_indices" for d in (2, 3)),  # return_indices changes nothing there
}  # fmt: skip


def parameters(function) -> list[inspect.Parameter]:
    if inspect.isclass(function):
        return list(inspect.signature(function.__init__).parameters.values())[1:]
    return list(inspect.signature(function).parameters.values())


def python_cases():
    for namespace in PYTHON_NAMESPACES:
        theirs = torch
        for part in namespace.split("."):
            theirs = getattr(theirs, part)
        for name in sorted(n for n in dir(theirs) if not n.startswith("_")):
            value, ours = getattr(theirs, name), public(namespace, name)
            path = f"{namespace}.{name}"
            home = (getattr(value, "__module__", "") or "").startswith("torch")
            if (
                callable(ours)
                and callable(value)
                and home
                and path not in PYTHON_EXCEPTIONS
                and value is not torch.Tensor
            ):
                yield pytest.param(value, ours, id=path)


@pytest.mark.parametrize(("theirs", "ours"), list(python_cases()))
def test_a_python_function_or_class_takes_the_same_arguments(theirs, ours):
    try:
        expected = parameters(theirs)
    except ValueError:
        return  # compiled
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    expected = [p for p in expected if p.kind not in variable and not p.name.startswith("_")]
    if not expected:
        return  # *args alone says nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = parameters(ours)
    by_name = {p.name: p for p in mine}
    aliases = getattr(ours, "aliases", {})
    expected = [p.replace(name=aliases.get(p.name, p.name)) for p in expected]
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in mine)
    absent = [p.name for p in expected if p.name not in by_name and not open_ended and p.name != "self"]
    assert not absent, f"lacks {absent}; takes {list(by_name)}"
    order = [p.name for p in expected if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    taken = [p.name for p in mine if p.kind is not inspect.Parameter.KEYWORD_ONLY and p.kind not in variable]
    taken = [n for n in taken if not n.startswith("_")]
    assert order[:1] == ["self"] or taken[: len(order)] == order or any(p.kind in variable[:1] for p in mine), (
        order,
        taken,
    )
    for p in expected:
        q = by_name.get(p.name)
        simple = isinstance(p.default, int | float | str | bool | tuple) or p.default is None
        if q is not None and simple and p.kind not in variable:
            assert q.default == p.default, f"{p.name}={q.default!r}, PyTorch has {p.default!r}"
