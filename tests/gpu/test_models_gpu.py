"""Models on a GPU: what they give, learn, write and keep is what they do on the CPU, in float32 without rounding to TF32."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from PIL import Image

import framework as F
from framework import nn, optim
from framework.io import load_checkpoint, load_file, save_checkpoint, save_file
from hub import create
from tests.gpu.agreement import EXACT, LOW, array, both, check_forward_and_gradients, gap, scores, train
from tests.scripts.calling import call
from text.models.bert import BertConfig, BertForSequenceClassification
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel
from vision.models import VisionTransformer, mobilenet_v2, resnet18

CLASSES, WORDS = 5, 40


def pictures(size=32, channels=3):
    return lambda: [F.randn(4, channels, size, size)]


def tokens():
    return [F.randint(1, WORDS, (4, 9))]


def bert():
    config = BertConfig(
        vocab_size=WORDS, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=CLASSES,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=16,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def gpt2(positions=24):
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    drops = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(vocab_size=WORDS, n_positions=positions, n_embd=16, n_layer=2, n_head=2, **ends, **drops)
    model = GPT2LMHeadModel(config)
    with F.no_grad():
        for p in model.parameters():  # apart, so that the likeliest token is so by a margin
            p.add_(F.randn(p.shape) * 0.3)
    return model


class LastScores(nn.Module):
    """A language model's scores of the token after the last."""

    def __init__(self):
        super().__init__()
        self.model = gpt2()

    def forward(self, ids):
        return self.model(ids).logits[:, -1, :CLASSES]


class Reader(nn.Module):
    """Words, a recurrent net in both directions, and a head."""

    def __init__(self):
        super().__init__()
        self.words, self.lstm = nn.Embedding(WORDS, 8), nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, ids):
        return self.head(self.lstm(self.words(ids))[0].mean(1))


MODELS = {
    "resnet18": (lambda: resnet18(num_classes=CLASSES), pictures()),
    "mobilenet_v2": (lambda: mobilenet_v2(num_classes=CLASSES, width_mult=0.25, dropout=0.0), pictures()),
    "vit": (lambda: VisionTransformer(32, 16, 2, 2, 16, 32, num_classes=CLASSES), pictures()),
    "bert": (bert, tokens),
    "gpt2": (LastScores, tokens),
    "lstm": (Reader, tokens),
    "small_cnn": (lambda: create("small_cnn", num_classes=CLASSES), pictures(28, 1)),
}


def prepared(name):
    """A model without dropout, and a batch for it."""
    make, inputs = MODELS[name]
    F.manual_seed(2)
    model = make()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model, inputs()


def has_batch_norms(model):
    """Whether a net has batch norms: over so small a batch those of its deepest layers blow rounding up without end."""
    return any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


def skip_some(gpu, name, slow):
    """Leave out a net on the stand-in, which is slow, where another one shows the same."""
    if not gpu.real and name == slow:
        pytest.skip("the stand-in has run a net like it")


def settled(model, inputs):
    """A model in training mode, but batch norms, which keep to statistics that they have seen."""
    model.train()(*inputs)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    return model


@pytest.mark.parametrize("name", MODELS)
def test_forward_and_gradients(gpu, name):
    model, inputs = prepared(name)
    settled(model, inputs)
    check_forward_and_gradients(model, inputs, gpu.device, 5 * EXACT)


@pytest.mark.parametrize("name", MODELS)
def test_training(gpu, name):
    skip_some(gpu, name, "mobilenet_v2")
    model, inputs = prepared(name)
    here, there = both(settled(model, inputs), gpu.device)
    y = F.randint(0, CLASSES, (4,))
    found = []
    for net, where in ((here, "cpu"), (there, gpu.device)):
        optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
        found.append(train(net, [x.to(where) for x in inputs], y.to(where), optimizer, where))
    for expected, loss in zip(*found, strict=True):
        assert gap(loss, expected) < 20 * EXACT
    for (key, expected), value in zip(here.state_dict().items(), there.state_dict().values(), strict=True):
        assert gap(value, expected) < 20 * EXACT, key


@pytest.mark.parametrize("name", MODELS)
def test_training_in_bfloat16_is_close(gpu, name):
    skip_some(gpu, name, "resnet18")
    model, inputs = prepared(name)
    here, there = both(model.train(), gpu.device)
    y = F.randint(0, CLASSES, (4,))
    found = []
    for net, where, low in ((here, "cpu", False), (there, gpu.device, True)):
        optimizer = optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
        found.append(train(net, [x.to(where) for x in inputs], y.to(where), optimizer, where, low))
    tolerance = 4 * LOW if has_batch_norms(model) else LOW
    for expected, loss in zip(*found, strict=True):
        assert loss.dtype is F.float32 and gap(loss, expected) < tolerance
    assert all(p.dtype is F.float32 and np.isfinite(array(p)).all() for p in there.parameters())


def test_generation(gpu):
    F.manual_seed(0)
    here, there = both(gpt2().eval(), gpu.device)
    ids = F.randint(1, WORDS, (2, 5))
    for options in ({}, {"num_beams": 3}, {"repetition_penalty": 1.3}):
        expected = here.generate(ids, max_new_tokens=8, do_sample=False, **options)
        found = there.generate(ids.to(gpu.device), max_new_tokens=8, do_sample=False, **options)
        assert found.device.type == "cuda" and found.tolist() == expected.tolist()


def test_drawn_texts_repeat(gpu):
    model = gpt2().eval().to(gpu.device)
    ids = F.randint(1, WORDS, (1, 3)).to(gpu.device)
    texts = []
    for _ in range(2):
        F.manual_seed(4)
        texts.append(model.generate(ids, max_new_tokens=8, do_sample=True, top_k=0).tolist())
    assert texts[0] == texts[1]


def test_fused_convolutions_and_norms(gpu):
    model, inputs = prepared("resnet18")
    model.train()(*inputs)
    model.eval()
    with F.no_grad():
        expected = model(*inputs)
        found = nn.fuse(copy.deepcopy(model).to(gpu.device).eval())(*(x.to(gpu.device) for x in inputs))
    assert gap(found, expected) < 10 * EXACT


def test_checkpoints_go_on_elsewhere(gpu, tmp_path):
    def steps(model, optimizer, where, count):
        for _ in range(count):
            loss = nn.functional.cross_entropy(scores(model(inputs[0].to(where))), y.to(where))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    model, inputs = prepared("lstm")
    y = F.randint(0, CLASSES, (4,))
    here, there = both(model, gpu.device)
    optimizers = [optim.AdamW(net.parameters(), lr=1e-2) for net in (here, there)]
    steps(here, optimizers[0], "cpu", 4)
    steps(there, optimizers[1], gpu.device, 2)
    save_checkpoint(tmp_path / "last.ckpt", model=there, optimizer=optimizers[1])
    save_file(there.state_dict(), tmp_path / "model.safetensors")

    fresh, again = Reader(), Reader().to(gpu.device)
    assert fresh.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for net, where in ((fresh, "cpu"), (again, gpu.device)):
        optimizer = optim.AdamW(net.parameters(), lr=1e-2)
        load_checkpoint(tmp_path / "last.ckpt", model=net, optimizer=optimizer)
        steps(net, optimizer, where, 2)
        for expected, found in zip(here.parameters(), net.parameters(), strict=True):
            assert found.device.type == where.partition(":")[0] and gap(found, expected) < 10 * EXACT


def test_dropout_goes_on_where_a_checkpoint_was(gpu, tmp_path):
    x = F.ones(64, device=gpu.device)
    F.manual_seed(9)
    save_checkpoint(tmp_path / "last.ckpt", epoch=0)
    expected = nn.functional.dropout(x, 0.5)
    F.manual_seed(10)
    load_checkpoint(tmp_path / "last.ckpt")
    assert nn.functional.dropout(x, 0.5).tolist() == expected.tolist()


@pytest.fixture
def coloured(tmp_path):
    """Two classes of small pictures, told apart by their colour."""
    rng = np.random.default_rng(0)
    for place, name in enumerate(("blue", "red")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 120, (20, 20, 3), dtype=np.uint8)
            pixels[..., 2 - 2 * place] += 100
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number:02}.png")
    return tmp_path / "pictures"


def test_a_classifier_is_trained_used_and_goes_on(gpu, coloured, tmp_path):
    training = (
        "--model",
        "small_cnn",
        "--image-size",
        16,
        "--batch-size",
        6,
        "--workers",
        0,
        "--seed",
        1,
        "--ema",
        0.5,
    )
    code, _, err = call(
        "train_classifier.py",
        "--data",
        coloured,
        "--epochs",
        4,
        "--out",
        "there",
        "--device",
        gpu.device,
        *training,
        cwd=tmp_path,
    )
    assert code == 0, err
    weights = load_file(tmp_path / "there" / "model.safetensors")
    assert all(np.isfinite(array(w)).all() for w in weights.values())
    code, _, err = call("train_classifier.py", "--resume", "there", "--epochs", 5, cwd=tmp_path)
    assert code == 0, err
    assert json.loads((tmp_path / "there" / "settings.json").read_text())["arguments"]["device"] == gpu.device
    for device in ("cpu", "auto", "cuda:0"):
        code, out, err = call(
            "predict.py", "--checkpoint", "there", "--device", device, coloured / "red" / "00.png", cwd=tmp_path
        )
        assert code == 0 and "red" in out, err
    code, out, err = call("evaluate.py", "--checkpoint", "there", "--data", coloured, "--device", "cuda", cwd=tmp_path)
    assert code == 0 and "accuracy" in out, err
    code, _, err = call("predict.py", "--checkpoint", "there", "--device", "cuda:99", "x.png", cwd=tmp_path)
    assert code == 2 and "counted from cuda:0" in err


def test_a_language_model_is_trained_and_writes(gpu, tmp_path):
    (tmp_path / "input.txt").write_text("to be or not to be, that is the question\n" * 40)
    small = (
        "--layers",
        1,
        "--heads",
        2,
        "--width",
        16,
        "--block-size",
        8,
        "--steps",
        6,
        "--sample-length",
        5,
        "--seed",
        1,
    )
    weights = []
    for device in ("cpu", gpu.device):
        code, _, err = call(
            "train_language_model.py",
            "--data",
            "input.txt",
            *small,
            "--out",
            f"on {device}",
            "--device",
            device,
            cwd=tmp_path,
        )
        assert code == 0, err
        weights.append(load_file(tmp_path / f"on {device}" / "model.safetensors"))
    for key, expected in weights[0].items():
        assert gap(weights[1][key], expected) < 20 * EXACT, key
    texts = []
    for device in ("cpu", gpu.device):
        code, out, err = call(
            "generate.py",
            "--model",
            f"on {gpu.device}",
            "--prompt",
            "to",
            "--greedy",
            "--max-new-tokens",
            6,
            "--device",
            device,
            cwd=tmp_path,
        )
        assert code == 0, err
        texts.append(out)
    assert texts[0] == texts[1] and len(texts[0]) > 6
