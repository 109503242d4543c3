"""Weights into models that hold a trunk under a name: with and without a head, in files and in models."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.errors import StateError
from framework.io import load_file, save_file


class Trunk(nn.Module):
    fit_rules = hub.FitRules(head=("fc",), base="trunk", optional=("table",), fresh=("pool.",))

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 3)
        self.body = nn.Linear(3, 3)
        self.pool = nn.Linear(3, 3)


class Headed(nn.Module):
    fit_rules = Trunk.fit_rules

    def __init__(self, classes: int = 2, words: bool = False) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.fc = nn.Linear(3, classes)
        if words:
            self.words = nn.Linear(3, 7, bias=False)
            self.words.weight = self.trunk.words.weight


def check(target: nn.Module, source: nn.Module, rename) -> None:
    theirs = source.state_dict()
    for key, value in target.state_dict().items():
        if rename(key) in theirs:
            np.testing.assert_array_equal(value.numpy(), theirs[rename(key)].numpy(), err_msg=key)


def test_the_file_of_a_trunk_fits_a_model_with_a_head():
    source, target = Trunk(), Headed()
    fit = hub.load_pretrained(target, source.state_dict())
    assert fit.fresh == ["fc.weight", "fc.bias"] and len(fit.loaded) == 5 and not fit.missing
    assert "not in the file, so that they start afresh: fc.weight, fc.bias" in str(fit)
    assert "fc.bias             not in the file: starts afresh" in fit.table()
    check(target, source, lambda key: key.removeprefix("trunk."))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_trunk_takes_its_part_of_a_file_with_a_head(prefix):
    source, target = Headed(), Trunk()
    fit = hub.load_pretrained(target, {prefix + key: value for key, value in source.state_dict().items()})
    assert fit.ignored == ["fc.weight", "fc.bias"] and len(fit.loaded) == 5 and not fit.fresh
    check(target, source, lambda key: f"trunk.{key}")


def test_another_head_is_left_out():
    source, target = Headed(), Headed(3)
    state = source.state_dict()
    other = {key.replace("fc", "scores"): value for key, value in state.items()}
    fit = hub.load_pretrained(target, other)
    assert fit.ignored == ["scores.weight", "scores.bias"] and fit.fresh == ["fc.weight", "fc.bias"]
    fit = hub.load_pretrained(target, state)
    assert fit.swapped == ["fc.weight", "fc.bias"] and not fit.fresh


def test_parts_that_may_be_absent_or_more():
    state = {key: value for key, value in Headed().state_dict().items() if "pool" not in key}
    fit = hub.load_pretrained(Headed(), {**state, "trunk.table": F.ones(1)})
    assert fit.fresh == ["trunk.pool.weight", "trunk.pool.bias"] and fit.ignored == ["trunk.table"]
    fit = hub.load_pretrained(Trunk(), {**state, "trunk.table": F.ones(1)})
    assert fit.fresh == ["pool.weight", "pool.bias"] and fit.ignored == ["fc.weight", "fc.bias", "table"]


@pytest.mark.parametrize("kind", [Trunk, Headed])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("trunk.body.weight"), "body.weight *missing"),
        (lambda s: s.update({"trunk.strange": F.ones(1)}), "strange *unexpected"),
    ],
)
def test_the_trunk_itself_is_strict(change, words, kind):
    state = dict(Headed().state_dict())
    change(state)
    with pytest.raises(StateError, match=words):
        hub.load_pretrained(kind(), state)


def test_a_tied_key_is_not_missed(tmp_path):
    source, target = Headed(words=True), Headed(words=True)
    state = {key: value for key, value in source.state_dict().items() if key != "words.weight"}
    save_file(state, tmp_path / "model.safetensors")
    fit = hub.load_pretrained(target, load_file(tmp_path / "model.safetensors"))
    assert not fit.fresh and not fit.missing and target.words.weight is target.trunk.words.weight
    np.testing.assert_array_equal(target.words.weight.detach().numpy(), source.words.weight.detach().numpy())
