"""The steps of torchtext, and the functions behind them."""

from __future__ import annotations

import json

import pytest

import framework
from framework.errors import ArgumentError
from text import functional, transforms
from text.vocab import Vocab

WORDS = Vocab(["<unk>", "<pad>", "<s>", "a", "b", "c"], default_index=0)
ROWS = [["a", "b", "c"], ["c"], ["x", "a"]]


def test_a_chain():
    steps = transforms.Sequential(
        transforms.VocabTransform(WORDS),
        transforms.Truncate(2),
        transforms.AddToken(2),
        transforms.ToTensor(padding_value=1),
        transforms.PadTransform(5, 1),
    )
    got = steps(ROWS)
    assert got.tolist() == [[2, 3, 4, 1, 1], [2, 5, 1, 1, 1], [2, 0, 3, 1, 1]] and got.dtype == framework.int64
    assert steps(ROWS[0]).tolist() == [2, 3, 4, 1, 1]


def test_functions():
    assert functional.truncate([1, 2, 3], 2) == [1, 2] and functional.truncate([["a"], ["b", "c"]], 1) == [["a"], ["b"]]
    assert functional.add_token([1], 0) == [0, 1] and functional.add_token([[1], []], 9, begin=False) == [[1, 9], [9]]
    assert functional.str_to_int(["1", "2"]) == [1, 2] and functional.str_to_int([["1"], ["2", "3"]]) == [[1], [2, 3]]
    assert functional.to_tensor([1, 2]).tolist() == [1, 2]
    assert functional.to_tensor([[1], [2]]).shape == (2, 1)
    assert functional.to_tensor([[1], [2, 3]], padding_value=0).tolist() == [[1, 0], [2, 3]]
    assert functional.to_tensor([1], dtype=framework.float32).dtype == framework.float32
    with pytest.raises(ArgumentError, match="1 to 2 numbers; give a padding_value"):
        functional.to_tensor([[1], [2, 3]])
    with pytest.raises(ArgumentError):
        functional.truncate([1], -1)
    with pytest.raises(ValueError):
        functional.str_to_int(["x"])


def test_small_steps(tmp_path):
    assert transforms.StrToIntTransform()(["4", "5"]) == [4, 5]
    assert transforms.AddToken("z", begin=False)(["a"]) == ["a", "z"]
    pad = transforms.PadTransform(3, 7)
    assert pad(framework.tensor([1, 2])).tolist() == [1, 2, 7] and pad(framework.tensor([1, 2, 3, 4])).shape == (4,)
    labels = transforms.LabelToIndex(["neg", "pos"])
    assert labels("pos") == 1 and labels(["pos", "neg"]) == [1, 0] and labels.label_names == ["neg", "pos"]
    (tmp_path / "labels").write_text("z\na\n\n")
    assert transforms.LabelToIndex(label_path=str(tmp_path / "labels")).label_names == ["z", "a"]
    assert transforms.LabelToIndex(label_path=str(tmp_path / "labels"), sort_names=True)("z") == 1
    with pytest.raises(RuntimeError, match="'other'"):
        labels("other")
    with pytest.raises(ArgumentError, match="either"):
        transforms.LabelToIndex()


def test_regex():
    patterns = [(r"\'", " '  "), (r"\"", ""), (r"\.", " . "), (r"[,;]", " ")]
    assert transforms.RegexTokenizer(patterns)('it\'s "so", a;b.') == ["it", "'", "s", "so", "a", "b", "."]
    with pytest.raises(ArgumentError, match="no regular expression"):
        transforms.RegexTokenizer([("(", "")])


def test_mask():
    framework.manual_seed(1)
    tokens = framework.randint(3, 100, (64, 40))
    tokens[:, 0], tokens[:, 30:] = 2, 1
    masked, targets, mask = transforms.MaskTransform(100, 99, bos_idx=2, pad_idx=1)(tokens)
    assert mask.sum(1).max() <= 6 and not mask[:, 0].any() and not mask[:, 30:].any()
    chosen = mask.bool()
    assert (masked[~chosen] == tokens[~chosen]).all() and (targets == tokens[chosen]).all()
    share = (masked[chosen] == 99).float().mean().item()
    same = (masked[chosen] == tokens[chosen]).float().mean().item()
    assert 0.7 < share < 0.9 and 0.03 < same < 0.2
    everything = transforms.MaskTransform(100, 99, 2, 1, mask_bos=True, mask_prob=1.0)(tokens)[2]
    assert everything[:, :30].all() and not everything[:, 30:].any()
    with pytest.raises(ArgumentError, match="mask_prob"):
        transforms.MaskTransform(100, 99, 2, 1, mask_prob=2)
    with pytest.raises(ValueError, match="shape"):
        transforms.MaskTransform(100, 99, 2, 1)(tokens[0])


def test_gpt2(realdata):
    folder = realdata / "tokenizers" / "gpt2"
    files = str(folder / "encoder.json"), str(folder / "vocab.bpe")
    step = transforms.GPT2BPETokenizer(*files)
    # from torchtext's documentation and tests
    assert step("Hello World!, how are you?") == ["15496", "2159", "28265", "703", "389", "345", "30"]
    assert step(["Respublica superiorem"]) == [["4965", "11377", "64", "2208", "72", "29625"]]
    assert transforms.GPT2BPETokenizer(*files, return_tokens=True)("Hello World!") == ["Hello", "ĠWorld", "!"]
    assert step.add_special_tokens({"unk_token": "<|endoftext|>", "additional_special_tokens": ["<x>", "<y>"]}) == 2
    assert step("<x>Hello") == ["50257", "15496"]
    chain = transforms.Sequential(step, transforms.StrToIntTransform(), transforms.ToTensor())
    assert chain("Hello World!").tolist() == [15496, 2159, 0]


def test_bert(realdata):
    path = str(realdata / "tokenizers" / "bert-base-cased" / "vocab.txt")
    step = transforms.BERTTokenizer(path, do_lower_case=False, return_tokens=True)
    assert step("Hello World!, how are you?") == ["Hello", "World", "!", ",", "how", "are", "you", "?"]
    assert step("[CLS] Hello") == ["[CLS]", "Hello"]
    assert transforms.BERTTokenizer(path, do_lower_case=False)(["Hello"]) == [["8667"]]


def test_sentencepiece(realdata):
    step = transforms.SentencePieceTokenizer(str(realdata / "tokenizers" / "t5" / "spiece.model"))
    assert step("hello world, attention is all you need!") == [
        "▁", "hell", "o", "▁world", ",", "▁attention", "▁is", "▁all", "▁you", "▁need", "!",
    ] or step("The house") == ["▁The", "▁house"]  # fmt: skip
    assert step(["The house", ""]) == [["▁The", "▁house"], []]


def merges(path, pairs):
    path.write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    return str(path)


def test_clip(tmp_path):
    file = merges(tmp_path / "merges.txt", [("a", "b</w>"), ("c", "ab</w>"), ("!", "!</w>")])
    step = transforms.CLIPTokenizer(file, return_tokens=True)
    assert step("CAB  ab!! don't") == ["cab</w>", "ab</w>", "!!</w>", "d", "o", "n</w>", "'", "t</w>"]
    numbers = transforms.CLIPTokenizer(file)
    assert numbers("ab") == ["512"] and numbers("<|startoftext|>a<|endoftext|>") == ["515", "320", "516"]
    assert transforms.CLIPTokenizer(file, num_merges=1)("ab") == ["512"]
    assert transforms.CLIPTokenizer(file, num_merges=1, return_tokens=True)("cab") == ["c", "ab</w>"]


def test_char_bpe(tmp_path):
    tokens = ["<unk>", "h", "i", "h</w>", "i</w>", "hi</w>", "<s>"]
    (tmp_path / "encoder.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    files = str(tmp_path / "encoder.json"), merges(tmp_path / "merges.txt", [("h", "i</w>")])
    step = transforms.CharBPETokenizer(*files, unk_token="<unk>", suffix="</w>", special_tokens=["<s>"])
    assert step("hi ih <s>hix") == [5, 2, 3, 6, 1, 2, 0]
    assert step(["hi", "i"]) == [[5], [4]]
    named = transforms.CharBPETokenizer(*files, return_tokens=True, unk_token="<unk>", suffix="</w>")
    assert named("hi") == ["hi</w>"]
    with pytest.raises(ArgumentError, match=r"'<pad>' is not in .*encoder\.json"):
        transforms.CharBPETokenizer(*files, unk_token="<pad>")
