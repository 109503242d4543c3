"""Training scripts with low-rank adapters and with gradients of several batches, as their users meet them."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest
from calling import call

import framework as F
import text
from framework.io import load_file
from tests.scripts.running import metrics, one_line, start, weights
from text.adapters import load_adapter
from text.models import BertConfig, BertModel
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel
from text.tokenizers import Tokenizer

LORA = ("--lora", 4, "--lora-dropout", "0.1")
WORDS = ["the", "film", "was", "a", "story", "of", "actors", "and", "music", "in", "an", "old", "house", "with", "rain"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("book") / "tale.txt"
    path.write_text("\n".join(" ".join(rng.choices(WORDS, k=7)) + "." for _ in range(120)))
    return path


@pytest.fixture(scope="module")
def writer(book, tmp_path_factory):
    """A folder with a tiny language model."""
    folder = tmp_path_factory.mktemp("writer")
    tokenizer = Tokenizer.train("byte-bpe", [book.read_text()], 280)
    tokenizer.save_pretrained(folder)
    F.manual_seed(0)
    config = GPT2Config(
        vocab_size=280, n_positions=16, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with a tiny BERT and its tokenizer."""
    folder = tmp_path_factory.mktemp("reader")
    tokenizer = Tokenizer.train("wordpiece", [" ".join(WORDS)] * 3, 80, model_max_length=20)
    tokenizer.save_pretrained(folder)
    F.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def run(name, *arguments, cwd):
    code, out, err = call(name, *arguments, cwd=cwd)
    assert code == 0, err
    return out


def test_adapters_of_a_language_model(book, writer, tmp_path):
    arguments = [
        "--data",
        book,
        "--model",
        writer,
        "--block-size",
        12,
        "--batch-size",
        3,
        "--steps",
        14,
        "--eval-every",
        7,
    ]
    arguments += ["--sample-length", 6, "--warmup", 2, "--accumulate", 3, "--checkpoint-steps", 1, *LORA]
    out = run("train_language_model.py", *arguments, "--out", tmp_path / "whole", cwd=tmp_path)
    assert f"{2 * 4 * (16 + 48):,} parameters to train" in out  # two c_attn of 16 by 48
    folder = tmp_path / "whole"
    before, after = load_file(writer / "model.safetensors"), load_file(folder / "model.safetensors")
    changed = {name for name in before if not np.array_equal(before[name].numpy(), after[name].numpy())}
    assert changed == {f"transformer.h.{layer}.attn.c_attn.weight" for layer in (0, 1)}
    # the folder is a model without adapters; the adapters alone are in PEFT's layout
    plain = text.from_pretrained(folder, "causal-lm")
    adapted = load_adapter(text.from_pretrained(writer, "causal-lm"), folder / "adapter")
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["task_type"], config["fan_in_fan_out"]) == (
        4,
        8.0,
        "CAUSAL_LM",
        True,
    )
    ids = F.tensor([[5, 9, 200, 3]])
    with F.no_grad():
        np.testing.assert_allclose(plain(ids).logits.numpy(), adapted(ids).logits.numpy(), rtol=1e-4, atol=1e-5)

    # killed somewhere and gone on, it is the same to the bit
    process = start("train_language_model.py", *arguments, "--out", tmp_path / "run", cwd=tmp_path)
    checkpoint, deadline = tmp_path / "run" / "last.ckpt", time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    out = run("train_language_model.py", "--resume", tmp_path / "run", cwd=tmp_path)
    assert "going on with" in out
    assert weights(tmp_path / "run") == weights(folder) and metrics(tmp_path / "run") == metrics(folder)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "run" / "adapter" / name).read_bytes() == (folder / "adapter" / name).read_bytes()
    assert (
        len(call("generate.py", "--model", folder, "--prompt", "the film", "--max-new-tokens", 3, cwd=tmp_path)[1]) > 8
    )


def test_gradients_of_several_batches_make_one_step(book, writer, tmp_path):
    common = [
        "--data", book, "--model", writer, "--block-size", 12, "--sample-length", 0, "--warmup", 0, "--schedule", "constant",
        "--optimizer", "sgd", "--lr", "0.05",
    ]  # fmt: skip
    for name, size, count, steps in (("large", 6, 1, 4), ("small", 2, 3, 12)):
        run(
            "train_language_model.py", *common, "--batch-size", size, "--accumulate", count, "--steps", steps,
            "--out", tmp_path / name, cwd=tmp_path,
        )  # fmt: skip
    large, small = (load_file(tmp_path / name / "model.safetensors") for name in ("large", "small"))
    before = load_file(writer / "model.safetensors")
    for name, value in large.items():
        np.testing.assert_allclose(small[name].numpy(), value.numpy(), rtol=0, atol=2e-6, err_msg=name)
    assert any(not np.array_equal(before[name].numpy(), value.numpy()) for name, value in large.items())


def sentences(count, seed=0):
    """Texts, of which those with more of some words are better, and how good they are, 0..5."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        good = rng.randint(0, 5)
        words = ["music"] * good + rng.choices([word for word in WORDS if word != "music"], k=6 - good)
        rng.shuffle(words)
        rows.append((" ".join(words), f"{good:.1f}"))
    return rows


def write(path, rows, header=("sentence", "score")):
    lines = [header, *rows] if header else rows
    path.write_text("".join("\t".join(row) + "\n" for row in lines))
    return path


def test_adapters_of_a_classifier(reader, tmp_path):
    data = write(
        tmp_path / "films.tsv", [(line, "good" if float(score) > 2 else "bad") for line, score in sentences(80)]
    )
    arguments = ["--data", data, "--model", reader, "--epochs", 2, "--batch-size", 8, "--ema", "0.5", *LORA]
    run("train_classifier.py", *arguments, "--out", tmp_path / "run", cwd=tmp_path)
    before, after = load_file(reader / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    changed = {k for k, v in before.items() if not np.array_equal(v.numpy(), after[f"bert.{k}"].numpy())}
    assert {key.rpartition("self.")[2] for key in changed} == {"query.weight", "value.weight"} and len(changed) == 4
    config = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert config["task_type"] == "SEQ_CLS" and config["modules_to_save"] == ["classifier"]
    code, out, err = call("predict.py", "--checkpoint", tmp_path / "run", "the music", cwd=tmp_path)
    assert code == 0 and out.startswith("the music: "), err
    code, out, err = call("evaluate.py", "--checkpoint", tmp_path / "run", cwd=tmp_path)
    assert code == 0, err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["accuracy"]["top1"] == pytest.approx(summary["accuracy"])
    with pytest.warns(UserWarning, match="start afresh"):
        adapted = text.from_pretrained(reader, "sequence-classification", num_labels=2)
    adapted = load_adapter(adapted, tmp_path / "run" / "adapter")
    batch = Tokenizer.from_pretrained(reader)(["the music", "rain"], return_tensors="pt", padding=True)
    with F.no_grad():
        expected = adapted(**batch).logits.numpy()
        found = text.from_pretrained(tmp_path / "run", "sequence-classification")(**batch).logits.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["bag", "reader"])
def test_numbers(model, reader, tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    write(folder / "train.tsv", sentences(200))
    write(folder / "dev.tsv", sentences(40, 1))
    write(folder / "test.tsv", sentences(60, 2))
    which = ["--lr", "3e-2"] if model == "bag" else ["--model", reader, "--lr", "1e-2"]
    arguments = [
        "--data",
        folder,
        "--labels",
        "number",
        "--batch-size",
        16,
        "--epochs",
        5,
        *which,
        "--out",
        tmp_path / "run",
    ]
    out = run("train_classifier.py", *arguments, cwd=tmp_path)
    assert "validation pearson 0." in out and "test pearson 0." in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]
    assert set(summary) == {"loss", "pearson", "spearman"} and summary["pearson"] > 0.6 < summary["spearman"]
    assert set(metrics(tmp_path / "run")[0]) == {"epoch", "train_loss", "loss", "pearson", "spearman"}
    worst = [line.split("\t") for line in (tmp_path / "run" / "mistakes.tsv").read_text().splitlines()]
    assert worst[0] == ["error", "guess", "label", "text"] and len(worst) == 61
    assert float(worst[1][0]) >= float(worst[-1][0]) and not (tmp_path / "run" / "classes.txt").exists()
    code, out, err = call("evaluate.py", "--checkpoint", tmp_path / "run", cwd=tmp_path)
    assert code == 0 and "of 60 texts" in out, err
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["pearson"] == pytest.approx(summary["pearson"], abs=1e-5)
    code, out, err = call("predict.py", "--checkpoint", tmp_path / "run", "music " * 5, "the old rain", cwd=tmp_path)
    high, low = (float(line.rpartition(": ")[2]) for line in out.splitlines())
    assert code == 0 and high > low + 1, err
    if model == "reader":
        loaded = text.from_pretrained(tmp_path / "run", "sequence-classification")
        assert loaded.config.problem_type == "regression" and loaded.config.num_labels == 1
    else:  # a held-out fifth of one table
        out = run(
            "train_classifier.py", *arguments[2:-1], tmp_path / "one", "--data", folder / "train.tsv", cwd=tmp_path
        )
        assert "160 texts, 40 to test" in out


def test_tables_without_labels(reader, tmp_path):
    data = write(
        tmp_path / "films.tsv", [(line, "good" if float(score) > 2 else "bad") for line, score in sentences(60)]
    )
    run("train_classifier.py", "--data", data, "--epochs", 3, "--out", tmp_path / "run", cwd=tmp_path)
    new = write(tmp_path / "new.tsv", [("music music  music",), ("the rain of an old house",)], ("sentence",))
    code, out, err = call("predict.py", "--checkpoint", tmp_path / "run", "--data", new, cwd=tmp_path)
    assert code == 0, err
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == ["prediction", "confidence", "text"] and len(lines) == 3
    code, single, _ = call(
        "predict.py", "--checkpoint", tmp_path / "run", "--top", 1, "music music  music", cwd=tmp_path
    )
    assert code == 0 and single.split(": ")[1].split()[0] == lines[1][0] and lines[1][2] == "music music music"
    assert float(single.split()[-2]) == pytest.approx(100 * float(lines[1][1]), abs=0.06)
    code, out, err = call(
        "predict.py", "--checkpoint", tmp_path / "run", "--data", data, "--batch-size", 7, "--out", tmp_path / "p.tsv", cwd=tmp_path
    )  # fmt: skip
    rows = (tmp_path / "p.tsv").read_text().splitlines()
    assert code == 0 and "of 60 texts" in out and len(rows) == 61, err
    assert [row.split("\t")[2] for row in rows[1:]] == [line for line, _ in sentences(60)]


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train_language_model.py", ["--data", "films.tsv", "--lora", 4], "is for going on with a model"),
        ("train_language_model.py", ["--data", "films.tsv", "--lora-alpha", 4], "--lora-alpha: goes with --lora"),
        ("train_language_model.py", ["--data", "films.tsv", "--lora", 0], "at least 1"),
        ("train_classifier.py", ["--data", "films.tsv", "--lora", 4], "--lora: is for language models"),
        ("train_classifier.py", ["--data", "films.tsv", "--lora", 4, "--freeze", "backbone"], "leave out --freeze"),
        ("train_classifier.py", ["--data", "digits", "--lora", 4], "--lora: is for texts"),
        ("train_classifier.py", ["--data", "digits", "--labels", "number"], "--labels number: is for texts"),
        ("train_classifier.py", ["--data", "films.tsv", "--labels", "number"], "not all numbers"),
        (
            "train_classifier.py",
            ["--data", "films.tsv", "--labels", "number", "--label-smoothing", "0.1"],
            "--label-smoothing: is for classes",
        ),
        ("predict.py", ["--checkpoint", "."], "give what to predict"),
        ("predict.py", ["--checkpoint", ".", "a text", "--out", "x"], "--out: goes with --data"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, arguments, message, tmp_path):
    write(tmp_path / "films.tsv", [(line, "good" if float(score) > 2 else "bad") for line, score in sentences(30)])
    code, _, err = call(script, *arguments, cwd=tmp_path)
    assert code == 2 and one_line(err) and message in err, err


def test_layers_that_get_adapters(reader, tmp_path):
    data = write(
        tmp_path / "films.tsv", [(line, "good" if float(score) > 2 else "bad") for line, score in sentences(30)]
    )
    arguments = ["--data", data, "--model", reader, "--epochs", 1, "--lora", 2, "--lora-targets"]
    run("train_classifier.py", *arguments, "all-linear", "--out", tmp_path / "all", cwd=tmp_path)
    config = json.loads((tmp_path / "all" / "adapter" / "adapter_config.json").read_text())
    assert len(config["target_modules"]) == 13  # six in each of two layers, and the pooler's
    code, _, err = call("train_classifier.py", *arguments, "nothing", cwd=tmp_path)
    assert code == 2 and one_line(err) and "no layer is named" in err
