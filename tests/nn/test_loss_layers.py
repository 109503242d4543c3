"""Loss layers: they hand their options to the functions, and keep weights as buffers."""

import inspect
import warnings

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError
from tests.ops.parity import check

R = np.random.default_rng(4)
X, Y, CLASSES = R.standard_normal((3, 4)), R.random((3, 4)) * 0.9 + 0.05, np.array([0, 3, 1])
SIGNS = np.array([1, -1, 1])
W = R.random(4)

LAYERS = [
    ("L1Loss", {"reduction": "sum"}, [X, Y]),
    ("MSELoss", {"size_average": False}, [X, Y]),
    ("SmoothL1Loss", {"beta": 0.3}, [X, Y]),
    ("HuberLoss", {"delta": 0.3}, [X, Y]),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, [X, Y]),
    ("PoissonNLLLoss", {"log_input": False, "full": True}, [Y, Y * 3]),
    ("GaussianNLLLoss", {"full": True, "eps": 0.5}, [X, Y, Y]),
    ("BCELoss", {"weight": W}, [Y, np.round(Y)]),
    ("BCEWithLogitsLoss", {"weight": W, "pos_weight": W}, [X, Y]),
    ("NLLLoss", {"weight": W, "ignore_index": 3}, [X, CLASSES]),
    ("CrossEntropyLoss", {"weight": W, "label_smoothing": 0.2}, [X, CLASSES]),
    ("CosineEmbeddingLoss", {"margin": 0.2}, [X, Y, SIGNS]),
    ("HingeEmbeddingLoss", {"margin": 0.2}, [X, np.sign(X).astype(int)]),
    ("MarginRankingLoss", {"margin": 0.2}, [X, Y, np.sign(X).astype(int)]),
    ("SoftMarginLoss", {}, [X, np.sign(X)]),
    ("MultiLabelMarginLoss", {}, [X, np.array([[1, -1, 0, 0], [2, 0, -1, 0], [0, 1, 2, 3]])]),
    ("MultiLabelSoftMarginLoss", {"weight": W}, [X, Y]),
    ("MultiMarginLoss", {"p": 2, "margin": 0.4, "weight": W}, [X, CLASSES]),
    ("TripletMarginLoss", {"p": 1.0, "swap": True}, [X, Y, X[::-1].copy()]),
    ("TripletMarginWithDistanceLoss", {"margin": 0.5}, [X, Y, X[::-1].copy()]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "arrays"), LAYERS, ids=[layer[0] for layer in LAYERS])
def test_agrees_with_pytorch(name, options, arrays):
    torch = pytest.importorskip("torch")

    def build(library, tensor):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's on the older flags
            return getattr(library.nn, name)(**{k: tensor(v) if v is W else v for k, v in options.items()})

    ours, theirs = build(framework, framework.from_numpy), build(torch, torch.from_numpy)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert ours.reduction == theirs.reduction
    check(ours, theirs, *arrays, fixed=(1,) if name in ("SoftMarginLoss", "BCELoss") else ())


def test_signatures_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in [n for n in dir(torch.nn) if n.endswith("Loss")]:
        for ours, theirs in (
            (getattr(nn, name), getattr(torch.nn, name)),
            (getattr(nn, name).forward, getattr(torch.nn, name).forward),
        ):
            mine = [(p.name, p.kind, p.default) for p in inspect.signature(ours).parameters.values()]
            assert mine == [(p.name, p.kind, p.default) for p in inspect.signature(theirs).parameters.values()], name


def test_ctc():
    torch = pytest.importorskip("torch")
    lp = X[:, None] - np.log(np.exp(X).sum(1))[:, None, None]
    args = [[3], [2]]
    check(
        lambda x, t: nn.CTCLoss(blank=3)(x, t, *[framework.tensor(a) for a in args]),
        lambda x, t: torch.nn.CTCLoss(blank=3)(x, t, *[torch.tensor(a) for a in args]), lp, np.array([[0, 1]]),
    )  # fmt: skip


def test_linear_cross_entropy():
    torch = pytest.importorskip("torch")
    ours = nn.LinearCrossEntropyLoss(4, 3, out_features=(2,), bias=True, label_smoothing=0.1).double()
    theirs = torch.nn.LinearCrossEntropyLoss(4, 3, out_features=(2,), bias=True, label_smoothing=0.1).double()
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})
    check(ours, theirs, X, R.integers(0, 3, (3, 2)))
    assert "num_classes=3" in repr(ours)
    with pytest.raises(ArgumentError, match="acc_policy"):
        nn.LinearCrossEntropyOptions(acc_policy="rough")


def test_adaptive_log_softmax():
    torch = pytest.importorskip("torch")
    options = {"cutoffs": [5, 10], "div_value": 2.0, "head_bias": True}
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, **options).double()
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, **options).double()
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})
    x, target = R.standard_normal((9, 8)), np.array([0, 7, 19, 3, 4, 10, 12, 5, 1])
    check(ours, theirs, x, target)
    check(ours, theirs, x[:2], target[[0, 3]])
    check(ours, theirs, x[0], np.asarray(7))
    check(ours.log_prob, theirs.log_prob, x)
    assert ours.predict(framework.from_numpy(x)).tolist() == theirs.predict(torch.from_numpy(x)).tolist()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-12)
    assert ours(framework.from_numpy(x), framework.from_numpy(target)).loss.shape == ()
    with pytest.raises(ArgumentError, match="cutoffs should be"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5])
    with pytest.raises(ArgumentError, match=r"values in range \[0, 20\]"):
        ours(framework.from_numpy(x[:2]), framework.tensor([0, 20]))


def test_refuses():
    cases = (
        (ArgumentError, "greater than 0", lambda: nn.TripletMarginLoss(margin=0)),
        (ArgumentError, "p == 1 and p == 2", lambda: nn.MultiMarginLoss(p=3)),
        (TypeError, "delta must be", lambda: nn.HuberLoss(delta=1j)),
        (ShapeError, "reshape one like the other", lambda: nn.MSELoss()(framework.ones(3, 1), framework.ones(3))),
    )
    for error, match, call in cases:
        with pytest.raises(error, match=match):
            call()
