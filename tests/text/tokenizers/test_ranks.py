"""tiktoken's files: their rules beside a plain loop and, where it is there, the library; and damaged ones."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re

import pytest

from framework.io import FileFormatError
from tests.text.peer import transformers
from text.tokenizers import Tokenizer, train_from_iterator
from text.tokenizers.assembling import letters_of_bytes

CORPUS = [
    "The quick brown foxes jumped over the lazy dogs 1234 times",
    "naïve café — 北京 & 🙂",
    "hello hello world's end",
] * 5
TEXTS = [
    "the lazy foxes' world's 12345678",
    "HELLO  world\n\n x\t y ",
    "naïve 北京🙂 café",
    "",
    " ",
    "quick<|endoftext|>brown",
    "a/b//\n",
]


@pytest.fixture(scope="module")
def ranks():
    """Those that byte-level BPE learns: the bytes' first, then the merges' in their order."""
    letters = {letter: byte for byte, letter in letters_of_bytes().items()}
    vocabulary = train_from_iterator("byte-bpe", CORPUS, 330).get_vocab()
    tokens = [
        token
        for token in sorted(vocabulary, key=vocabulary.__getitem__)
        if set(token) <= letters.keys() and "<|" not in token
    ]
    return {bytes(letters[letter] for letter in token): rank for rank, token in enumerate(tokens)}


def write(path, ranks):
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    return path


def merged(word: bytes, ranks) -> list[int]:
    """The numbers of a word: of all neighbours, those merge whose bytes together have the lowest rank."""
    parts = [word] if word in ranks else [word[i : i + 1] for i in range(len(word))]
    while len(parts) > 1:
        found = [(ranks.get(a + b, 1 << 30), place) for place, (a, b) in enumerate(itertools.pairwise(parts))]
        rank, place = min(found)
        if rank == 1 << 30:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return [ranks[part] for part in parts]


def test_by_a_plain_loop(ranks, tmp_path):
    """English words, of which GPT-2's rule takes a blank before each along."""
    ours = Tokenizer.from_pretrained(write(tmp_path / "r50k_base.tiktoken", ranks))
    draw = random.Random(0)
    words = " ".join(CORPUS[::3] + CORPUS[2::3]).split()
    for _ in range(40):
        line = " ".join(draw.choice(words)[: draw.randint(1, 9)] for _ in range(6))
        pieces = re.findall(r"'s| ?[A-Za-z]+| ?[0-9]+", line)
        if "".join(pieces) == line:
            assert ours(line)["input_ids"] == [n for piece in pieces for n in merged(piece.encode(), ranks)]
    for text in TEXTS:
        assert ours.decode(ours(text)["input_ids"]) == text
    assert ours.eos_token_id == len(ranks) == len(ours) - 1
    assert ours("a<|endoftext|>")["input_ids"][-1] == len(ranks)


CUT = {  # words of one text, by the vocabulary whose rules hold
    "r50k": ["I", "'m", " 12345", " HelloWorld", "  ", " x", "\n", "\n", "y", " "],
    "cl100k": ["I", "'m", " ", "123", "45", " HelloWorld", "  ", " x", "\n\n", "y", " "],
    "o200k": ["I'm", " ", "123", "45", " Hello", "World", "  ", " x", "\n\n", "y", " "],
    "qwen": ["I", "'m", " ", "1", "2", "3", "4", "5", " HelloWorld", "  ", " x", "\n\n", "y", " "],
    "llama3": ["I", "'m", " ", "123", "45", " HelloWorld", "  ", " x", "\n\n", "y", " "],
}


@pytest.mark.parametrize("family", CUT)
def test_words(family, ranks, tmp_path):
    ours = Tokenizer.from_pretrained(write(tmp_path / "tokenizer.model", ranks), family=family)
    letters = {letter: chr(byte) for byte, letter in letters_of_bytes().items()}
    words = ours.backend_tokenizer.pre_tokenizer.pre_tokenize_str("I'm 12345 HelloWorld   x\n\ny ")
    assert ["".join(letters[letter] for letter in word) for word, _ in words] == CUT[family]


def test_special_tokens(ranks, tmp_path):
    file, end = write(tmp_path / "tokenizer.model", ranks), len(ranks)
    llama = Tokenizer.from_pretrained(file, family="llama")
    assert llama("quick").tokens()[0] == "<|begin_of_text|>" and len(llama) == end + 256
    assert llama.convert_tokens_to_ids(["<|start_header_id|>", "<|eot_id|>", "<|reserved_special_token_250|>"]) == [
        end + 6, end + 9, end + 255,
    ]  # fmt: skip
    qwen = Tokenizer.from_pretrained(file, family="qwen")
    assert qwen.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>", "<|extra_204|>"]) == [end, end + 2, end + 207]
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    tokens = {str(end): {"content": "<start>", "special": True}, str(end + 300): {"content": "<far>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": tokens, "bos_token": "<start>"})
    )
    named = Tokenizer.from_pretrained(tmp_path)
    assert named("<far>").tokens() == ["<start>", "<far>"] and len(named) == end + 301
    assert named.convert_ids_to_tokens(end + 299) == f"<|reserved_token_{end + 299}|>"
    named.save_pretrained(tmp_path / "saved")
    assert Tokenizer.from_pretrained(tmp_path / "saved")(TEXTS)["input_ids"] == named(TEXTS)["input_ids"]


def test_transformers_reads_what_is_saved(ranks, tmp_path):
    ours = Tokenizer.from_pretrained(write(tmp_path / "o.tiktoken", ranks), family="llama3")
    ours.save_pretrained(tmp_path / "saved")
    theirs = transformers().AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert theirs(TEXTS)["input_ids"] == ours(TEXTS)["input_ids"]


@pytest.mark.parametrize("name", ["r50k_base", "cl100k_base", "o200k_base"])
def test_as_the_library(name, ranks, tmp_path):
    public = pytest.importorskip("tiktoken_ext.openai_public")
    import tiktoken

    ours = Tokenizer.from_pretrained(write(tmp_path / f"{name}.tiktoken", ranks))
    reading, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *args, **options: ranks
    try:
        pattern = getattr(public, name)()["pat_str"]
    finally:
        public.load_tiktoken_bpe = reading
    special = {"<|endoftext|>": ours.eos_token_id}
    theirs = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    draw = random.Random(0)
    drawn = ["".join(draw.choice(" \n\r\tabcABC'sLl123é日🙂/.,!-") for _ in range(25)) for _ in range(300)]
    for text in (*TEXTS, *drawn):
        assert ours(text)["input_ids"] == theirs.encode(text, allowed_special="all"), text


BROKEN = {
    "no base64": (b"!!!! 0\n", "line 1: expected a token in base64"),
    "no rank": (b"YQ==\n", "line 1: expected a token in base64"),
    "rank": (b"YQ== x\n", "line 1: expected a token in base64"),
    "negative": (b"YQ== -1\n", "its rank -1 is none"),
    "twice": (b"YQ== 0\nYQ== 1\n", "line 2: the token b'a' is empty or there twice"),
    "same rank": (b"YQ== 0\nYg== 0\n", "two tokens have the same rank"),
    "missing": (b"YQ== 0\nYg== 1\n", "the byte 0 has no token"),
    "empty": (b"", "the byte 0 has no token"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name, tmp_path):
    data, words = BROKEN[name]
    (tmp_path / "x.tiktoken").write_bytes(data)
    with pytest.raises(FileFormatError, match=words) as caught:
        Tokenizer.from_pretrained(tmp_path)
    assert "x.tiktoken" in str(caught.value)


def test_a_number_taken_twice(ranks, tmp_path):
    many = {**ranks, **{f"{n} many".encode(): n for n in range(len(ranks), 50257)}}
    write(tmp_path / "p50k_base.tiktoken", many)
    with pytest.raises(FileFormatError, match="the number 50256 is that of a special token"):
        Tokenizer.from_pretrained(tmp_path)
