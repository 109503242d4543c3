"""The classic nets: against PyTorch's modules put together alike, with padding, masks and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.errors import ArgumentError
from text.models import AttentiveBiLSTM, BagOfEmbeddings, TextCNN, classic

NAMES = ("bag", "bilstm", "textcnn")
IDS = np.array([[5, 7, 2, 9, 3, 3, 11], [9, 4, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0], [6, 6, 8, 2, 10, 0, 0]])
OWN = IDS != 0


def made(name, **config):
    F.manual_seed(3)
    return hub.create(name, vocab_size=13, num_classes=3, embedding_dim=6, **config).eval()


def test_they_are_registered():
    assert hub.list_models(classic) == sorted(NAMES)
    kinds = {"bag": BagOfEmbeddings, "textcnn": TextCNN, "bilstm": AttentiveBiLSTM}
    for name, kind in kinds.items():
        assert type(made(name)) is kind and hub.head_of(made(name)) == ("classifier",)
        assert "embedding" in " ".join(hub.freeze(made(name)))
    with pytest.raises(ArgumentError, match="vocab_size"):
        hub.create("bag")


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name):
    model = made(name)
    together = model(F.tensor(IDS))
    for place, (row, own) in enumerate(zip(IDS, OWN, strict=True)):
        alone = model(F.tensor(row[None, : own.sum()]))
        wide = model(F.tensor(np.pad(row[own], (0, 9))[None]))
        assert np.allclose(alone.detach().numpy(), together[place].detach().numpy(), atol=1e-6)
        assert np.allclose(wide.detach().numpy(), alone.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_hides_words(name):
    model = made(name)
    masked = np.where(OWN, IDS, 12)
    found = model(F.tensor(masked), attention_mask=F.tensor(OWN.astype(np.int64)))
    assert np.allclose(found.detach().numpy(), model(F.tensor(IDS)).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_text_has_finite_scores_and_gradients(name):
    model = made(name)
    model(F.tensor(np.array([[3, 4], [0, 0]]))).sum().backward()
    for parameter in model.parameters():
        assert np.isfinite(parameter.grad.numpy()).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_padding_word_is_not_trained(name):
    model = made(name)
    before = model.embedding.weight[0].detach().numpy().copy()
    assert not before.any()
    optimizer = F.optim.AdamW(model.parameters(), 0.1)
    model(F.tensor(IDS)).square().sum().backward()
    optimizer.step()
    assert np.array_equal(model.embedding.weight[0].detach().numpy(), before)


def bag_of_torch(torch, p, ids):
    bags = torch.nn.functional.embedding_bag(ids, p["embedding.weight"], mode="mean", padding_idx=0)
    return torch.nn.functional.linear(bags, p["classifier.weight"], p["classifier.bias"])


def textcnn_of_torch(torch, p, ids):
    rows = []
    for row in ids:  # each text alone, so that there is no padding but the convolutions' own
        words = p["embedding.weight"][row[row != 0]].T[None]
        found = [
            torch.nn.functional.conv1d(
                words, p[f"convolutions.{i}.weight"], p[f"convolutions.{i}.bias"], padding=p[f"convolutions.{i}.weight"].shape[2] - 1
            ).relu().amax(2)
            for i in range(3)
        ]  # fmt: skip
        rows.append(torch.nn.functional.linear(torch.cat(found, 1), p["classifier.weight"], p["classifier.bias"]))
    return torch.cat(rows)


def bilstm_of_torch(torch, p, ids):
    lstm = torch.nn.LSTM(6, 4, num_layers=2, batch_first=True, bidirectional=True)
    own = {key.removeprefix("lstm."): value for key, value in p.items() if key.startswith("lstm.")}
    rows = []
    for row in ids:
        words = p["embedding.weight"][row[row != 0]][None]
        states, _ = torch.func.functional_call(lstm, own, (words,))
        hidden = torch.nn.functional.linear(states, p["attention.weight"], p["attention.bias"]).tanh()
        share = torch.nn.functional.linear(hidden, p["context.weight"]).softmax(1)
        rows.append(torch.nn.functional.linear((states * share).sum(1), p["classifier.weight"], p["classifier.bias"]))
    return torch.cat(rows)


TWINS = pytest.mark.parametrize(
    ("name", "config", "twin"),
    [
        ("bag", {}, bag_of_torch),
        ("textcnn", {"filters": 5, "widths": (2, 3, 5)}, textcnn_of_torch),
        ("bilstm", {"hidden_size": 4, "num_layers": 2}, bilstm_of_torch),
    ],
    ids=["bag", "textcnn", "bilstm"],
)


@TWINS
def test_scores_and_gradients_are_pytorchs(name, config, twin):
    torch = pytest.importorskip("torch")
    model = made(name, **config).double()
    scores = model(F.tensor(IDS))
    factors = np.random.default_rng(0).standard_normal(scores.shape)
    (scores * F.tensor(factors)).sum().backward()
    parameters = {n: torch.tensor(p.detach().numpy(), requires_grad=True) for n, p in model.named_parameters()}
    expected = twin(torch, parameters, torch.tensor(IDS))
    (expected * torch.tensor(factors)).sum().backward()
    assert np.allclose(scores.detach().numpy(), expected.detach().numpy(), atol=1e-10)
    for key, parameter in model.named_parameters():
        assert np.allclose(parameter.grad.numpy(), parameters[key].grad.numpy(), atol=1e-10), key


@TWINS
def test_training_is_pytorchs(name, config, twin):
    """Ten steps of the scripts' recipe, a warmed-up and decayed AdamW, from the same weights end at the same weights."""
    torch = pytest.importorskip("torch")
    model = made(name, **config).double()
    parameters = {n: torch.tensor(p.detach().numpy(), requires_grad=True) for n, p in model.named_parameters()}
    ours, theirs = F.optim.AdamW(model.parameters(), 0.05), torch.optim.AdamW(parameters.values(), 0.05)
    rates = [min(1, (step + 1) / 3) * (1 - step / 10) for step in range(10)]
    schedules = [kind(optimizer, rates.__getitem__) for kind, optimizer in (
        (F.optim.lr_scheduler.LambdaLR, ours), (torch.optim.lr_scheduler.LambdaLR, theirs),
    )]  # fmt: skip
    labels, losses = np.array([0, 2, 1, 1]), []
    for step in range(10):
        mine = nn.functional.cross_entropy(model(F.tensor(IDS)), F.tensor(labels))
        other = torch.nn.functional.cross_entropy(twin(torch, parameters, torch.tensor(IDS)), torch.tensor(labels))
        losses.append((mine.item(), other.item()))
        for loss, optimizer in ((mine, ours), (other, theirs)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if step < 9:
            for schedule in schedules:
                schedule.step()
    found, expected = np.array(losses).T
    assert found[-1] < 0.8 * found[0] and np.allclose(found, expected, rtol=1e-8)
    for key, parameter in model.named_parameters():
        assert np.allclose(parameter.detach().numpy(), parameters[key].detach().numpy(), atol=1e-8), key


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_for_training(name):
    model = made(name, dropout=0.5)
    ids = F.tensor(IDS)
    assert F.equal(model(ids), model(ids))
    model.train()
    assert not F.equal(model(ids), model(ids))


def test_a_bag_learns_which_words_matter():
    F.manual_seed(0)
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 40, (200, 9))
    labels = F.tensor((ids < 12).sum(1) > (ids > 30).sum(1)).long()
    model = hub.create("bag", vocab_size=40)
    optimizer = F.optim.AdamW(model.parameters(), 0.05)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(F.tensor(ids)), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (model(F.tensor(ids)).argmax(1) == labels).float().mean() > 0.95
