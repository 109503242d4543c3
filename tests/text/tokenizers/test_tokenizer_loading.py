"""Folders of every make, and what is wrong with some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import ArgumentError
from framework.io import FileFormatError
from tests.text.peer import transformers
from text.tokenizers import Tokenizer

WORDPIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "##s", "un", "##able", ",", "h", "##i"]
LETTERS = {chr(code): index for index, code in enumerate(range(33, 127))} | {"Ġ": 94}
BYTES = LETTERS | {"he": 95, "ll": 96, "hell": 97, "hello": 98, "Ġw": 99}
MERGES = "#version: 0.2\nh e\nl l\nhe ll\nhell o\nĠ w\n"


def wordpiece(folder, **config):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDPIECES) + "\n")
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def bytepairs(folder, vocabulary="vocab.json", merges="merges.txt", extra=(), **config):
    folder.mkdir(exist_ok=True)
    (folder / vocabulary).write_text(json.dumps(BYTES | {token: 100 + i for i, token in enumerate(extra)}))
    (folder / merges).write_text(MERGES)
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def test_wordpiece(tmp_path):
    folder = wordpiece(tmp_path / "a", tokenizer_class="BertTokenizer", model_max_length=16)
    ours, theirs = Tokenizer.from_pretrained(folder), transformers().AutoTokenizer.from_pretrained(folder)
    for text in ("Hello worlds, unable", "xyz HI"):
        assert dict(ours(text, "hello")) == dict(theirs(text, "hello"))
    assert ours.model_max_length == 16 and ours.model_input_names == theirs.model_input_names
    assert Tokenizer.from_pretrained(folder / "vocab.txt").tokenize("Hello") == ["hello"]
    assert Tokenizer.from_pretrained(folder, do_lower_case=False).tokenize("Hello") == ["[UNK]"]


def test_model_type_says_the_family(tmp_path):
    folder = wordpiece(tmp_path / "a")
    (folder / "config.json").write_text('{"model_type": "distilbert"}')
    assert Tokenizer.from_pretrained(folder).model_input_names == ["input_ids", "attention_mask"]
    assert "token_type_ids" in Tokenizer.from_pretrained(folder, family="electra")("hello")
    with pytest.raises(ArgumentError, match=r"none named 'robertta'; nearest: roberta"):
        Tokenizer.from_pretrained(folder, family="robertta")


@pytest.mark.parametrize(
    ("kind", "names", "extra"),
    [
        ("GPT2Tokenizer", {}, ["<|endoftext|>"]),
        ("RobertaTokenizer", {}, ROBERTA),
        ("BartTokenizer", {}, ROBERTA),
        ("Qwen2Tokenizer", {}, ["<|endoftext|>"]),
    ],
)
def test_byte_pairs(tmp_path, kind, names, extra):
    folder = bytepairs(tmp_path / "a", extra=extra, tokenizer_class=kind, **names)
    ours, theirs = Tokenizer.from_pretrained(folder), transformers().AutoTokenizer.from_pretrained(folder)
    call = {"return_offsets_mapping": True, "return_token_type_ids": False}
    for text in ("hello world", "hello\n\nwell 12", " hello  w"):
        assert dict(ours(text, **call)) == dict(theirs(text, **call)), text
        assert dict(ours(text, "hello w", **call)) == dict(theirs(text, "hello w", **call))
        assert ours.decode(ours(text)["input_ids"]) == theirs.decode(theirs(text)["input_ids"])
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert len(ours) == len(theirs)


def test_without_any_word_about_the_family(tmp_path):
    folder = bytepairs(tmp_path / "a", "encoder.json", "vocab.bpe", extra=["<|endoftext|>"])
    assert Tokenizer.from_pretrained(folder)("hello w").tokens() == ["hello", "Ġw"]
    folder = bytepairs(tmp_path / "b", extra=ROBERTA)
    ours = Tokenizer.from_pretrained(folder)
    assert ours("hello", "w").tokens() == ["<s>", "hello", "</s>", "</s>", "w", "</s>"]
    assert ours("hello <mask>w")["input_ids"] == [100, 98, 104, 86, 102]  # the blank goes with the mask


def test_added_tokens(tmp_path):
    folder = wordpiece(tmp_path / "a", tokenizer_class="BertTokenizer")
    (folder / "added_tokens.json").write_text('{"<x>": 13, "<y>": 14}')
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"mask_token": {"content": "[MASK]", "lstrip": True}, "bos_token": "<y>", "eos_token": None})
    )
    ours = Tokenizer.from_pretrained(folder)
    assert ours.tokenize("hello<x><y>") == ["hello", "<x>", "<y>"]
    assert ours.bos_token_id == 14 and len(ours) == 15 and ours.eos_token is None
    assert ours.decode([5, 14, 13], skip_special_tokens=True) == "hello <x>"
    assert ours("hello [MASK]", return_offsets_mapping=True)["offset_mapping"][2] == (5, 12)
    (folder / "added_tokens.json").write_text('{"<x>": 99}')
    with pytest.raises(FileFormatError, match="'<x>' is to have the number 99"):
        Tokenizer.from_pretrained(folder)


def test_added_tokens_decoder(tmp_path):
    tokens = {"13": {"content": "<a>", "special": True, "lstrip": True}, "14": {"content": "b c", "special": False}}
    folder = wordpiece(tmp_path / "a", tokenizer_class="BertTokenizer", added_tokens_decoder=tokens)
    ours = Tokenizer.from_pretrained(folder)
    assert ours.convert_ids_to_tokens([13, 14]) == ["<a>", "b c"]
    assert ours.added_tokens_decoder[13].lstrip and not ours.added_tokens_decoder[14].special
    assert ours.get_added_vocab()["b c"] == 14


def test_named_extra_tokens(tmp_path):
    folder = wordpiece(
        tmp_path / "a", tokenizer_class="BertTokenizer", image_token="<image>", extra_special_tokens=["<q>"]
    )
    ours = Tokenizer.from_pretrained(folder)
    assert ours.image_token == "<image>" and ours.image_token_id == 13
    assert ours.extra_special_tokens == ["<q>"] and "<q>" in ours.all_special_tokens
    with pytest.raises(AttributeError, match="audio_token"):
        _ = ours.audio_token
    ours.save_pretrained(tmp_path / "b")
    again = Tokenizer.from_pretrained(tmp_path / "b")
    assert again.image_token_id == 13 and again.extra_special_tokens == ["<q>"]


def test_settings_of_a_whole_file(tmp_path):
    Tokenizer.from_pretrained(wordpiece(tmp_path / "a"), pad_token="[PAD]").save_pretrained(tmp_path / "b")
    assert Tokenizer.from_pretrained(tmp_path / "b").tokenize("HELLO") == ["hello"]
    assert Tokenizer.from_pretrained(tmp_path / "b", do_lower_case=False).tokenize("HELLO") == ["[UNK]"]
    assert Tokenizer.from_pretrained(tmp_path / "b", padding_side="left", model_max_length=3).padding_side == "left"
    pairs = Tokenizer.from_pretrained(bytepairs(tmp_path / "c", extra=["<|endoftext|>"]))
    pairs.save_pretrained(tmp_path / "d")
    assert Tokenizer.from_pretrained(tmp_path / "d").tokenize("w") == ["w"]
    assert Tokenizer.from_pretrained(tmp_path / "d", add_prefix_space=True).tokenize("w") == ["Ġw"]
    assert Tokenizer.from_pretrained(tmp_path / "d", add_bos_token=True)("w")["input_ids"] == [100, 86]
    with pytest.raises(ArgumentError, match="no setting 'paddingside'; nearest: padding_side"):
        Tokenizer.from_pretrained(tmp_path / "d", paddingside="left")


def test_a_name_of_the_hub(tmp_path, monkeypatch):
    from hub import huggingface

    asked = []
    folder = wordpiece(tmp_path / "a")
    monkeypatch.setattr(huggingface, "snapshot", lambda name, **options: asked.append((name, options)) or folder)
    assert Tokenizer.from_pretrained("some/model", revision="v1").tokenize("hello") == ["hello"]
    assert asked[0][0] == "some/model" and asked[0][1]["revision"] == "v1"
    assert "vocab.*" in asked[0][1]["patterns"] and "*.safetensors" not in asked[0][1]["patterns"]


def test_saved_and_loaded(tmp_path):
    folder = wordpiece(tmp_path / "a", tokenizer_class="BertTokenizer", padding_side="left", keep_this={"x": 1})
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    ours = Tokenizer.from_pretrained(folder)
    ours("hello", padding="max_length", max_length=5, truncation=True)
    files = ours.save_pretrained(tmp_path / "b")
    assert {file.name for file in files} == {
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
    }  # fmt: skip
    again = Tokenizer.from_pretrained(tmp_path / "b")
    assert again.padding_side == "left" and again.chat_template == "{{ messages }}"
    assert again.config["keep_this"] == {"x": 1}
    assert again.special_tokens_map == ours.special_tokens_map and again.get_vocab() == ours.get_vocab()
    assert dict(again("hello worlds", "hi")) == dict(ours("hello worlds", "hi"))
    assert json.loads((tmp_path / "b" / "tokenizer.json").read_text())["truncation"] is None
    import tokenizers

    assert tokenizers.Tokenizer.from_file(str(tmp_path / "b" / "tokenizer.json")).encode("hello").ids == [2, 5, 3]
    theirs = transformers().AutoTokenizer.from_pretrained(tmp_path / "b")
    assert dict(theirs("hello worlds", "hi")) == dict(ours("hello worlds", "hi"))
    assert theirs.padding_side == "left" and theirs.chat_template == ours.chat_template


BROKEN = [
    ("tokenizer.json", "{", "tokenizer.json"),
    ("tokenizer.json", '{"model": {"type": "Nothing"}}', "tokenizer.json"),
    ("tokenizer_config.json", "[]", r"tokenizer_config\.json: expected a JSON object"),
    ("tokenizer_config.json", "[" * 100_000, r"tokenizer_config\.json: not JSON"),
    ("tokenizer_config.json", '{"chat_template": [{"name": "x"}]}', r"tokenizer_config\.json"),
    ("tokenizer_config.json", '{"model_max_length": "many"}', "model_max_length cannot be 'many'"),
    ("tokenizer_config.json", '{"pad_token": [1]}', "a special token is a string"),
    ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "a"}}}', "invalid literal"),
    ("special_tokens_map.json", "nonsense", r"special_tokens_map\.json: not JSON"),
    ("vocab.txt", "", r"vocab\.txt: .* is empty"),
    ("config.json", "{]", r"config\.json: not JSON"),
]


@pytest.mark.parametrize(("name", "content", "words"), BROKEN)
def test_broken(tmp_path, name, content, words):
    folder = wordpiece(tmp_path / "a")
    (folder / name).write_text(content)
    with pytest.raises(FileFormatError, match=words):
        Tokenizer.from_pretrained(folder)


PAIRS = [
    ("vocab.json", '{"a": "b"}', r"vocab\.json: expected a number"),
    ("vocab.json", '{"a": -1}', r"vocab\.json: expected a number"),
    ("merges.txt", "a b c\n", r"merges\.txt, line 1: expected two tokens"),
    ("merges.txt", "h e\nab\n", r"merges\.txt, line 2"),
    ("merges.txt", "h zz\n", r"merges\.txt: .*out of vocabulary"),
]


@pytest.mark.parametrize(("name", "content", "words"), PAIRS)
def test_broken_pairs(tmp_path, name, content, words):
    folder = bytepairs(tmp_path / "a")
    (folder / name).write_text(content)
    with pytest.raises(FileFormatError, match=words):
        Tokenizer.from_pretrained(folder)


def test_broken_text(tmp_path):
    folder = wordpiece(tmp_path / "a")
    (folder / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match=r"vocab\.txt: expected text in UTF-8"):
        Tokenizer.from_pretrained(folder)


def test_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Tokenizer.from_pretrained(tmp_path / "no" / "where")
    (tmp_path / "readme.md").write_text("")
    with pytest.raises(FileNotFoundError, match=r"expected tokenizer\.json or a vocabulary .* it has readme\.md"):
        Tokenizer.from_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"merges\.txt"):
        Tokenizer.from_pretrained(tmp_path)


def test_wrong_arguments(tmp_path):
    ours = Tokenizer.from_pretrained(wordpiece(tmp_path / "a"))
    for call, words in (
        ({"padding": "most"}, "padding: expected one of"),
        ({"truncation": "least"}, "truncation: expected one of"),
        ({"padding_side": "top"}, "padding_side"),
        ({"return_tensors": "tf"}, "return_tensors: expected"),
        ({"truncation": True, "max_length": 4, "stride": 2}, "stride"),
        ({"truncation": True, "padding": True, "max_length": 6, "pad_to_multiple_of": 4}, "no multiple of 4"),
    ):
        with pytest.raises(ArgumentError, match=words):
            ours("hello world", **call)
    with pytest.raises(ArgumentError, match="lengths 3, 4"):
        ours(["hello", "hello world"], return_tensors="pt")
    for wrong in (5, [1, 2], ["a", None], None, {"a": 1}):
        with pytest.raises(ArgumentError, match="expected"):
            ours(wrong)
    with pytest.raises(ArgumentError, match="as many as text has, 2, got 1 texts"):
        ours(["a", "b"], ["c"])
    with pytest.raises(ArgumentError, match="got one string"):
        ours(["a", "b"], "c")
    with pytest.raises(ArgumentError, match="no role 'no_token'"):
        ours.add_special_tokens({"no_token": "x"})
    with pytest.raises(ArgumentError, match="no argument 'nonsense'"):
        Tokenizer(ours.backend_tokenizer, nonsense=1)
    ours.pad_token = None
    with pytest.raises(ArgumentError, match="no padding token"):
        ours(["hello"], padding=True)


def test_empty_batch(tmp_path):
    ours = Tokenizer.from_pretrained(wordpiece(tmp_path / "a"))
    assert ours([])["input_ids"] == [] and ours([], return_tensors="pt")["input_ids"].shape == (0,)
    assert ours.batch_decode([]) == []


def test_threads_and_pickles(tmp_path):
    import pickle
    from concurrent.futures import ThreadPoolExecutor

    ours = pickle.loads(pickle.dumps(Tokenizer.from_pretrained(wordpiece(tmp_path / "a"))))
    texts = ["hello " * n for n in range(1, 9)]

    def one(index):
        length = 4 + index % 5
        rows = ours(texts, padding="max_length", truncation=True, max_length=length)["input_ids"]
        return {len(row) for row in rows} == {length} and len(ours(texts[7])["input_ids"]) == 10

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(200)))


def test_import_is_light():
    code = "import sys, text; print([m for m in ('tokenizers', 'jinja2', 'pyarrow', 'torch') if m in sys.modules])"
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_general_class_takes_the_files_as_they_are(tmp_path):
    """The family that ``config.json`` names adds no special tokens to it."""
    made = Tokenizer.train("byte-bpe", ["some words"] * 3, 260)
    made._named.clear()
    made.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    loaded = Tokenizer.from_pretrained(tmp_path)
    assert len(loaded) == len(made) and loaded.special_tokens_map == {}
