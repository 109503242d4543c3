"""Checkpoints by address, as torch.hub gives them."""

from __future__ import annotations

import hashlib
import inspect
import os

import numpy as np
import pytest

import framework
import hub
from framework.errors import ArgumentError
from framework.io import FileFormatError, save_file
from tests.hub.server import BODY, SHA256


@pytest.fixture
def weights(server, tmp_path, monkeypatch):
    """A file of weights on the server, by a name with its hash, and the hash."""
    monkeypatch.setattr(hub.cache, "_chosen", [str(tmp_path / "hub")])
    save_file({"a": framework.ones(2, 3)}, tmp_path / "source")
    data = (tmp_path / "source").read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:8]
    server.files = dict.fromkeys((f"net-{digest}.safetensors", "net.safetensors", "net-20240131.safetensors"), data)
    server.files["net-00000000.safetensors"] = data
    return digest


def test_a_checkpoint(server, weights, tmp_path, monkeypatch):
    url = f"{server.address}/whole/net-{weights}.safetensors"
    for check in (True, False):
        state = hub.load_state_dict_from_url(url, check_hash=check, progress=False)
        assert state["a"].numpy().tolist() == np.ones((2, 3)).tolist()
    assert os.listdir(tmp_path / "hub" / "checkpoints") == [f"net-{weights}.safetensors"] and len(server.asked) == 1
    monkeypatch.setenv("HUB_OFFLINE", "1")
    assert list(hub.load_state_dict_from_url(url)) == ["a"]  # the cache needs no network
    with pytest.raises(hub.DownloadError, match=f"elsewhere.*{weights}"):
        hub.load_state_dict_from_url(url, model_dir=tmp_path / "elsewhere")


def test_names_without_a_hash(server, weights, tmp_path):
    for name in ("net", "net-20240131"):
        url = f"{server.address}/whole/{name}.safetensors"
        for _ in range(2):
            assert list(hub.load_state_dict_from_url(url, tmp_path, progress=False)) == ["a"]
    assert len(server.asked) == 2
    with pytest.raises(ArgumentError, match="carries no hash"):
        hub.load_state_dict_from_url(f"{server.address}/whole/net.safetensors", check_hash=True)
    with pytest.raises(hub.DownloadError, match="hash"):  # asked for, the date is taken for one
        hub.load_state_dict_from_url(f"{server.address}/whole/net-20240131.safetensors", check_hash=True)


def test_a_wrong_hash_and_other_names(server, weights, tmp_path):
    with pytest.raises(hub.DownloadError, match="hash"):
        hub.load_state_dict_from_url(f"{server.address}/whole/net-00000000.safetensors", tmp_path)
    named = hub.load_state_dict_from_url(
        f"{server.address}/whole/net.safetensors", tmp_path, file_name="mine.safetensors"
    )
    assert list(named) == ["a"] and (tmp_path / "mine.safetensors").is_file()
    for bad in ("../mine", "", "a/b"):
        with pytest.raises(ArgumentError, match="name of a file"):
            hub.load_state_dict_from_url(f"{server.address}/whole/net.safetensors", tmp_path, file_name=bad)
    with pytest.raises(ArgumentError, match="name of a file"):
        hub.load_state_dict_from_url(f"{server.address}/whole/", tmp_path)


def test_no_checkpoint(server, weights, tmp_path):
    server.files["net.pth"] = b"<html>not found, said with a 200</html>"
    with pytest.raises(FileFormatError, match=r"net\.pth"):
        hub.load_state_dict_from_url(f"{server.address}/whole/net.pth", tmp_path)


def test_a_cached_file_that_rotted_is_fetched_again(server, weights, tmp_path):
    url = f"{server.address}/whole/net-{weights}.safetensors"
    hub.load_state_dict_from_url(url, tmp_path)
    path = tmp_path / f"net-{weights}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert hub.load_state_dict_from_url(url, tmp_path)["a"].sum().item() == 6


@pytest.mark.parametrize("prefix", [None, SHA256, SHA256[:8].upper()])
def test_a_file(server, tmp_path, prefix):
    target = tmp_path / "new" / "file"
    assert hub.download_url_to_file(f"{server.address}/whole/x", target, prefix) is None
    assert target.read_bytes() == BODY
    hub.download_url_to_file(f"{server.address}/whole/x", str(target), prefix, False)
    assert len(server.asked) == (2 if prefix is None else 1)  # without a hash nobody knows whether it is the same
    with pytest.raises(hub.DownloadError, match="hash"):
        hub.download_url_to_file(f"{server.address}/whole/x", target, "0" * 8)
    with pytest.raises(ArgumentError, match="digits"):
        hub.download_url_to_file(f"{server.address}/whole/x", target, "0" * 7)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("place", [None, "cpu", framework.device("cpu"), {"cuda:0": "cpu"}, {"cpu": "cpu"}], ids=str)
def test_places_for_tensors(server, weights, tmp_path, place):
    state = hub.load_state_dict_from_url(f"{server.address}/whole/net.safetensors", tmp_path, map_location=place)
    assert state["a"].device == framework.device("cpu")


def test_a_function_places_tensors(server, weights, tmp_path):
    torch = pytest.importorskip("torch")
    a = torch.ones(2)
    torch.save({"model": {"a": a, "again": a}, "epoch": 3, "rest": [a, (a, "word")]}, tmp_path / "net.pth")
    server.files["net.pth"] = (tmp_path / "net.pth").read_bytes()
    calls = []

    def place(tensor, location):
        calls.append(location)
        return tensor * 2

    moved = hub.load_state_dict_from_url(f"{server.address}/whole/net.pth", tmp_path / "there", map_location=place)
    assert calls == ["cpu"]  # once for a tensor, so that what was tied stays tied
    assert moved["model"]["a"] is moved["model"]["again"]
    assert moved["epoch"] == 3 and moved["rest"][1][1] == "word"
    for tensor in (*moved["model"].values(), moved["rest"][0], moved["rest"][1][0]):
        assert tensor.numpy().tolist() == [2, 2]
    kept = hub.load_state_dict_from_url(
        f"{server.address}/whole/net.pth", tmp_path / "there", map_location=lambda storage, location: storage
    )
    assert kept["model"]["a"].numpy().tolist() == [1, 1] and len(server.asked) == 1


@pytest.mark.parametrize("name", ["load_state_dict_from_url", "download_url_to_file", "get_dir", "set_dir"])
def test_arguments_are_those_of_torch(name):
    theirs = pytest.importorskip("torch").hub
    ours, wanted = (inspect.signature(getattr(module, name)).parameters for module in (hub, theirs))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in wanted.values()]
