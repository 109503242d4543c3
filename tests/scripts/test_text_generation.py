"""Training language models, letting them write, and embedding sentences by the scripts, as their users meet them."""

from __future__ import annotations

import json
import math
import random
import signal
import time

import numpy as np
import pytest
from calling import call

import framework as F
import text
from tests.scripts.running import metrics, one_line, start, weights
from text.models import BertConfig, BertModel
from text.models.gpt2 import GPT2Config, GPT2LMHeadModel
from text.tokenizers import Tokenizer

SMALL = ("--layers", 1, "--heads", 2, "--width", 16, "--block-size", 16, "--batch-size", 4)
QUICK = (*SMALL, "--steps", 24, "--eval-every", 12, "--sample-length", 40, "--warmup", 4, "--checkpoint-steps", 1)


@pytest.fixture
def script(tmp_path):
    """Run a script to its end in a fresh folder: (exit code, stdout, stderr)."""
    return lambda name, *arguments: call(name, *arguments, cwd=tmp_path)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A text file of some thousand characters."""
    rng = random.Random(0)
    words = (
        "it",
        "was",
        "the",
        "best",
        "of",
        "times",
        "and",
        "worst",
        "age",
        "wisdom",
        "foolishness",
        "belief",
        "season",
    )
    lines = [" ".join(rng.choices(words, k=rng.randint(3, 9))).capitalize() + "." for _ in range(150)]
    path = tmp_path_factory.mktemp("book") / "tale.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def characters(book, tmp_path_factory):
    """A run on characters: (its folder, what it printed)."""
    folder = tmp_path_factory.mktemp("characters") / "run"
    code, out, err = call("train_language_model.py", "--data", book, *QUICK, "--out", folder, cwd=folder.parent)
    assert code == 0, err
    return folder, out


def test_what_a_run_leaves(characters, book):
    folder, out = characters
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary) == {"task", "model", "data", "steps", "amp", "seconds", "metrics"}
    assert (summary["task"], summary["model"], summary["data"], summary["steps"]) == (
        "language-modeling",
        "gpt2",
        "tale",
        24,
    )
    assert summary["metrics"]["perplexity"] == pytest.approx(math.exp(summary["metrics"]["loss"]))
    rows = metrics(folder)
    assert [row["step"] for row in rows] == [12, 24] and rows[1]["train_loss"] < rows[0]["train_loss"]
    assert all(row["sample"] in out and 35 <= len(row["sample"]) <= 41 for row in rows)
    # all is as a user would measure it: each block of the held out tenth, once
    model, tokenizer = text.from_pretrained(folder, "causal-lm"), Tokenizer.from_pretrained(folder)
    whole = book.read_text()
    held_out = whole[round(len(whole) * 0.9) :]
    ids = F.tensor(tokenizer(held_out)["input_ids"])
    assert tokenizer.decode(ids) == held_out and len(tokenizer) == len(set(whole))
    count = (len(ids) - 1) // 16
    x, y = ids[: count * 16].reshape(count, 16), ids[1 : count * 16 + 1]
    with F.no_grad():
        loss = F.nn.functional.cross_entropy(model(x).logits.flatten(0, 1), y).item()
    assert loss == pytest.approx(summary["metrics"]["loss"], rel=1e-4)


def test_ctrl_c_saves_and_resuming_equals_the_uninterrupted_run(characters, book, script, tmp_path):
    arguments = ["--data", book, *QUICK, "--out", tmp_path / "run"]
    process = start("train_language_model.py", *arguments, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in out and "Traceback" not in err
    process = start("train_language_model.py", "--resume", tmp_path / "run", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "going on with" in out, err
    assert weights(tmp_path / "run") == weights(characters[0])
    assert metrics(tmp_path / "run") == metrics(characters[0])


def test_subwords_and_going_on_with_a_model(book, script, tmp_path):
    code, out, err = script(
        "train_language_model.py", "--data", book, *QUICK, "--tokens", "bpe", "--vocab-size", 300, "--out", tmp_path / "first"
    )  # fmt: skip
    assert code == 0, err
    tokenizer = Tokenizer.from_pretrained(tmp_path / "first")
    assert (
        len(tokenizer) == 300 and tokenizer.decode(tokenizer("The best of times")["input_ids"]) == "The best of times"
    )
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "train.txt").write_text(book.read_text()[:4000])
    (parts / "valid.txt").write_text(book.read_text()[4000:])
    arguments = ("--data", parts, "--model", tmp_path / "first", "--block-size", 12, "--steps", 3, "--sample-length", 5)
    code, out, err = script("train_language_model.py", *arguments, "--prompt", "It was", "--out", tmp_path / "second")
    assert code == 0 and "gpt2 on parts" in out, err
    assert metrics(tmp_path / "second")[0]["sample"].startswith("It was")
    assert set(weights(tmp_path / "second")) == set(weights(tmp_path / "first"))
    first, second = (
        json.loads((tmp_path / name / "summary.json").read_text())["metrics"]["loss"] for name in ("first", "second")
    )
    assert second < first + 0.2  # it went on, and did not begin anew
    code, _, err = script("train_language_model.py", *arguments, "--layers", 3)
    assert code == 2 and one_line(err) and "--layers: is of new models" in err
    code, _, err = script("train_language_model.py", *arguments, "--block-size", 17)
    assert code == 2 and one_line(err) and "reads 16 tokens at most" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data: give a text file"),
        (["--data", "absent.txt"], "no such file"),
        (["--data", "folder"], "no file train.txt"),
        (["--data", "short.txt"], "too few for --block-size 64"),
        (["--data", "broken.txt"], "UTF-8"),
        (["--data", "short.txt", "--vocab-size", "400"], "is for subwords"),
        (["--data", "short.txt", "--steps", "0"], "at least 1"),
        (["--data", "short.txt", "--prompt", "Ω"], "tokenizer"),
        (["--data", "short.txt", "--heads", "3"], "hidden_size 128"),
        (["--data", "short.txt", "--model", "folder"], "folder"),
        (["--resume", "absent"], "no checkpoint"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, tmp_path, arguments, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "short.txt").write_text("so short a text" * 10)
    (tmp_path / "broken.txt").write_bytes(b"\xff\xfe broken" * 100)
    code, _, err = script("train_language_model.py", *arguments)
    assert code == 2 and one_line(err) and message in err, err


def test_generate(characters, script, tmp_path):
    folder, _ = characters
    arguments = ("--model", folder, "--prompt", "It was", "--max-new-tokens", 50)  # more than the model has places for
    code, first, err = script("generate.py", *arguments, "--seed", 3)
    assert code == 0, err
    assert first.startswith("It was") and len(first) == 6 + 50 + 1
    assert (
        script("generate.py", *arguments, "--seed", 3)[1] == first != script("generate.py", *arguments, "--seed", 4)[1]
    )
    model, tokenizer = text.from_pretrained(folder, "causal-lm"), Tokenizer.from_pretrained(folder)
    ids = F.tensor([tokenizer("It was")["input_ids"]])
    expected = tokenizer.decode(model.generate(ids, max_new_tokens=9, do_sample=False)[0])
    code, out, err = script("generate.py", "--model", folder, "--prompt", "It was", "--max-new-tokens", 9, "--greedy")
    assert (code, out) == (0, expected + "\n"), err
    beams = tokenizer.batch_decode(model.generate(ids, max_new_tokens=6, num_beams=3, num_return_sequences=2))
    code, out, err = script(
        "generate.py", "--model", folder, "--prompt", "It was", "--max-new-tokens", 6, "--beams", 3, "--num", 2
    )
    assert (code, out) == (0, "\n---\n".join(beams) + "\n"), err
    code, out, err = script("generate.py", *arguments, "--seed", 3, "--num", 2, "--stop", first[10:12])
    assert code == 0 and len(out.split("\n---\n")[0]) < len(first), err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "It was"], "--model"),
        (["--model", "absent/folder/here"], "config.json"),
        (["--model", "RUN", "--prompt", "Ωmega"], "tokenizer"),
        (["--model", "RUN", "--greedy", "--num", "2"], "--num"),
        (["--model", "RUN", "--beams", "2", "--num", "3"], "--beams 2"),
        (["--model", "RUN", "--temperature", "0"], "at least 0.01"),
        (["--model", "RUN", "--chat", "--prompt", "It"], "chat"),
    ],
)
def test_generate_with_bad_input(characters, script, arguments, message):
    code, out, err = script("generate.py", *(str(characters[0]) if a == "RUN" else a for a in arguments))
    assert code == 2 and one_line(err) and message in err, (out, err)


def test_a_text_comes_as_it_is_written(tmp_path):
    """The first words are there long before the last."""
    tokenizer = Tokenizer.train("byte-bpe", ["some words of a text"] * 3, 270)
    tokenizer.save_pretrained(tmp_path)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=256, n_layer=12, n_head=4, eos_token_id=None, bos_token_id=None
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    process = start("generate.py", "--model", tmp_path, "--prompt", "some words", "--max-new-tokens", 900, cwd=tmp_path)
    try:
        assert process.stdout.read(12).startswith("some words")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "Traceback" not in err
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of a tiny random encoder, and its sentences' expected vectors."""
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    tokenizer = Tokenizer.train("wordpiece", SENTENCES * 5, 80, model_max_length=40)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=40,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder, text.SentenceEncoder.from_pretrained(folder).encode(SENTENCES)


SENTENCES = ["a man eats bread", "a girl rides a horse", "the sea is grey", "two men eat"]


def test_embed(encoder, script, tmp_path):
    folder, expected = encoder
    (tmp_path / "lines.txt").write_text("\n".join(SENTENCES[1:]) + "\n\n")
    code, out, err = script(
        "embed.py", "--model", folder, SENTENCES[0], "--file", tmp_path / "lines.txt", "--save", tmp_path / "v.npz"
    )  # fmt: skip
    assert code == 0 and "4 vectors of length 32" in out, err
    with np.load(tmp_path / "v.npz") as found:
        assert np.allclose(found["vectors"], expected, atol=1e-5)
        assert found["sentences"].tobytes().decode().split("\n") == SENTENCES
    query = ("--query", "the sea is grey", "--query", "a man eats bread", "--top", 2)
    code, out, err = script("embed.py", "--model", folder, "--index", tmp_path / "v.npz", "no other", *query)
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 6 and lines[0] == "the sea is grey:" and lines[1] == "  1.0000  the sea is grey"
    assert lines[4] == "  1.0000  a man eats bread"
    code, out, err = script("embed.py", "--model", folder, *SENTENCES)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["sentence"] for row in rows] == SENTENCES
    assert np.allclose([row["vector"] for row in rows], expected, atol=1e-5)


def test_embed_with_bad_input(encoder, script, tmp_path):
    folder, _ = encoder
    np.savez(tmp_path / "other.npz", vectors=np.zeros((1, 7)), sentences=np.frombuffer(b"one", np.uint8))
    (tmp_path / "junk.npz").write_bytes(b"junk")
    for arguments, message in (
        (["--model", folder], "nothing to embed"),
        (["--model", folder, "--index", tmp_path / "other.npz", "--query", "x"], "7 long"),
        (["--model", folder, "--index", tmp_path / "junk.npz", "--query", "x"], "not what --save writes"),
        (["--model", folder, "--index", tmp_path / "absent.npz", "--query", "x"], "no such file"),
        (["--model", tmp_path, "a text"], "config.json"),
    ):
        code, _, err = script("embed.py", *arguments)
        assert code == 2 and one_line(err) and message in err, err


@pytest.mark.slow
def test_characters_of_shakespeare(realdata, tmp_path):
    """A sixth of the steps of nanoGPT's run for CPUs."""
    process = start(
        "train_language_model.py", "--data", realdata / "tinyshakespeare" / "input.txt", "--steps", 400, "--out", tmp_path / "run", cwd=tmp_path
    )  # fmt: skip
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]["loss"] <= 2.3


@pytest.mark.slow
def test_the_nearest_sentences_of_a_real_model(realdata, script):
    code, out, err = script(
        "embed.py", "--model", realdata / "minilm-l6-v2-fp16", "A man is eating a piece of bread.", "The girl is carrying a baby.",
        "A cheetah chases its prey.", "--query", "A man is eating food.", "--query", "hunting animals", "--top", 1
    )  # fmt: skip
    assert code == 0, err
    assert out.splitlines()[1] == "  0.7553  A man is eating a piece of bread." and "cheetah" in out.splitlines()[3]
