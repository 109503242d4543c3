"""Padding, packing, masking, shifting, aligning, and batches of like length."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import framework
from framework.data import DataLoader
from framework.errors import ArgumentError
from text.data import (
    LengthBucketSampler,
    MaskingCollator,
    PackedStream,
    PaddingCollator,
    Seq2SeqCollator,
    align_labels,
    mask_tokens,
    pack_tokens,
    pad_sequences,
    shift_tokens_right,
)

NAMES = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(60)), *(f"##p{n}" for n in range(36))]


class Words:
    """As much of a tokenizer as collators look at: four special tokens, 60 words and 36 pieces of words."""

    pad_token_id, mask_token_id, pad_token_type_id, padding_side = 0, 3, 0, "right"
    all_special_ids = (0, 1, 2, 3)

    def __len__(self):
        return len(NAMES)

    def convert_ids_to_tokens(self, ids):
        return [NAMES[number] for number in ids]


class LeftWords(Words):
    padding_side = "left"


def lists(batch):
    return {name: value.tolist() if isinstance(value, framework.Tensor) else value for name, value in batch.items()}


@pytest.mark.parametrize(
    ("rows", "given", "wanted"),
    [
        ([[1, 2, 3], [4]], {}, [[1, 2, 3], [4, 0, 0]]),
        ([[1, 2, 3], [4]], {"side": "left", "value": 9}, [[1, 2, 3], [9, 9, 4]]),
        ([[1, 2, 3], np.array([4], np.int32)], {"multiple_of": 2}, [[1, 2, 3, 0], [4, 0, 0, 0]]),
        ([[1], []], {"length": 2}, [[1, 0], [0, 0]]),
        ([framework.tensor([5])], {"multiple_of": 4, "length": 5}, [[5, 0, 0, 0, 0, 0, 0, 0]]),
        ([[], []], {}, [[], []]),
        ([], {}, []),
    ],
)  # fmt: skip
def test_pad_sequences(rows, given, wanted):
    padded, there = pad_sequences(rows, **given)
    assert padded.tolist() == wanted and padded.dtype == np.int64
    assert there.sum() == sum(map(len, rows))
    with pytest.raises(ArgumentError, match="more than length"):
        pad_sequences([[1, 2]], length=1)
    with pytest.raises(ArgumentError, match="side must be"):
        pad_sequences([[1]], side="middle")


def test_padding_collator():
    samples = [
        {"input_ids": [1, 5, 2], "token_type_ids": [0, 0, 1], "label": 1, "text": "a"},
        {"input_ids": [7], "token_type_ids": [0], "label": 0, "text": "b"},
    ]
    assert lists(PaddingCollator(LeftWords())(samples)) == {
        "input_ids": [[1, 5, 2], [0, 0, 7]], "attention_mask": [[1, 1, 1], [0, 0, 1]],
        "token_type_ids": [[0, 0, 1], [0, 0, 0]], "labels": [1, 0], "text": ["a", "b"],
    }  # fmt: skip
    pad = PaddingCollator(pad_id=9, pad_to_multiple_of=2)
    assert lists(pad([([5, 6, 7], 1.5), ([8], 0)]))["labels"] == [1.5, 0.0]
    tagged = lists(pad([([5, 6, 7], [1, 2, -100]), ([8], [3])]))
    assert tagged["input_ids"] == [[5, 6, 7, 9], [8, 9, 9, 9]] and tagged["labels"] == [
        [1, 2, -100, -100],
        [3, -100, -100, -100],
    ]
    several = pad([{"input_ids": [5], "labels": [1.0, 0.0, 1.0]}, {"input_ids": [5, 6], "labels": [0.0, 0.0, 1.0]}])
    assert several["labels"].shape == (2, 3) and several["labels"].dtype == framework.float32
    assert lists(pad([[5], [6, 7]]))["input_ids"] == [[5, 9], [6, 7]]
    given = lists(pad([{"input_ids": [5], "attention_mask": [0]}, {"input_ids": [5, 6], "attention_mask": [1, 0]}]))
    assert given["attention_mask"] == [[0, 0], [1, 0]]
    assert pickle.loads(pickle.dumps(pad))([[5]])["input_ids"].tolist() == [[5, 9]]


@pytest.mark.parametrize(
    ("make", "samples", "words"),
    [
        (lambda: PaddingCollator(), [], "pass pad_id"),
        (lambda: PaddingCollator(pad_id=0, max_length=2), [[1, 2, 3]], "truncate"),
        (lambda: PaddingCollator(pad_id=0), [{"input_ids": [1]}, {"input_ids": [1], "label": 1}], "sample 1 has the entries"),
        (lambda: PaddingCollator(pad_id=0), [([1], [1.0]), ([1], [1.0, 2.0])], "different shapes"),
        (lambda: Seq2SeqCollator(pad_id=0), [{"input_ids": [1]}], "needs labels"),
        (lambda: MaskingCollator(Words(), probability=0.0), [], "expected a probability"),
        (lambda: MaskingCollator(Words(), mask_share=0.8, random_share=0.3), [], "expected a probability"),
        (lambda: pack_tokens([[1]], 0), [], "block_size must be positive"),
        (lambda: align_labels([1], [0, 1]), [], "a token of word 1"),
    ],
)  # fmt: skip
def test_refused(make, samples, words):
    with pytest.raises(ArgumentError, match=words):
        make()(samples)


def test_masking_shares(rng):
    tokens = rng.integers(4, 100, (400, 257))
    maskable = rng.random(tokens.shape) < 0.9
    hidden, labels = mask_tokens(tokens, maskable, 3, 100)
    chosen = labels != -100
    assert (
        not (chosen & ~maskable).any()
        and (labels[chosen] == tokens[chosen]).all()
        and (hidden == tokens)[~chosen].all()
    )
    assert chosen[maskable].mean() == pytest.approx(0.15, abs=0.005)
    masked, same = (hidden == 3)[chosen].mean(), (hidden == tokens)[chosen].mean()
    assert masked == pytest.approx(0.801, abs=0.01) and same == pytest.approx(0.101, abs=0.01)
    others = hidden[chosen & (hidden != 3) & (hidden != tokens)]
    assert np.ptp(np.bincount(others, minlength=100)) < 60  # from the whole vocabulary


def test_masking_collator():
    rows = [[1, *range(4, 30), 2], [1, 40, 41, 2]]
    collate = MaskingCollator(Words(), probability=1.0, mask_share=1.0, random_share=0.0, pad_to_multiple_of=8)
    batch = collate([{"input_ids": row, "token_type_ids": [0] * len(row)} for row in rows])
    assert batch["input_ids"].shape == (2, 32) and set(batch) == {
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "labels",
    }
    assert batch["input_ids"][1, :6].tolist() == [1, 3, 3, 2, 0, 0]
    assert batch["labels"][1, :6].tolist() == [-100, 40, 41, -100, -100, -100]
    marked = collate([{"input_ids": [40, 41], "special_tokens_mask": [1, 0]}])
    assert marked["labels"].tolist()[0][:2] == [-100, 41] and "special_tokens_mask" not in marked


@pytest.mark.parametrize("told", ["pieces", "word_ids", "numbers"])
@pytest.mark.parametrize("tokenizer", [Words, LeftWords])
def test_whole_words(rng, told, tokenizer):
    """All tokens of a word are chosen, or none, and words as often as tokens would be."""
    samples, words = [], []
    for _ in range(300):
        sizes = rng.integers(1, 4, int(rng.integers(1, 20)))
        ids = [
            piece for size in sizes for piece in [int(rng.integers(4, 64)), *rng.integers(64, 100, size - 1).tolist()]
        ]
        numbers = [word for word, size in enumerate(sizes) for _ in range(size)]
        words.append(numbers)
        sample = {"input_ids": [1, *ids, 2]}
        if told == "word_ids":
            sample["word_ids"] = [None, *(n + 500 for n in numbers), None]  # as in a part of a long text
        if told == "numbers":
            sample["word_ids"] = [0, *numbers, 0]
        samples.append(sample)
    batch = MaskingCollator(tokenizer(), whole_words=True)(samples)
    assert "word_ids" not in batch
    chosen = batch["labels"].numpy() != -100
    share = []
    for row, there, numbers in zip(chosen, batch["attention_mask"].numpy(), words):
        inner = row[there != 0][1:-1]
        by_word = [inner[np.array(numbers) == n] for n in range(numbers[-1] + 1)]
        assert all(part.all() or not part.any() for part in by_word)
        share += [part.any() for part in by_word]
        assert not row[there == 0].any()
    assert np.mean(share) == pytest.approx(0.15, abs=0.03)


def test_whole_words_that_nothing_tells():
    class Bytes(Words):
        def convert_ids_to_tokens(self, ids):
            return [f"Ġ{n}" for n in ids]

    with pytest.raises(ArgumentError, match="needs word_ids"):
        MaskingCollator(Bytes(), whole_words=True)([[1, 5]])


def test_masking_does_not_depend_on_the_workers():
    samples = [{"input_ids": [1, *range(4 + n, 40 + n), 2]} for n in range(12)]

    def epoch(workers):
        framework.manual_seed(3)
        loader = DataLoader(samples, 4, shuffle=True, collate_fn=MaskingCollator(Words()), num_workers=workers)
        return [lists(batch) for _ in range(2) for batch in loader]

    alone = epoch(0)
    assert alone == epoch(2) and alone[0]["labels"] != alone[3]["labels"]


def test_seq2seq():
    samples = [{"input_ids": [5, 6], "labels": [7, 8, 1]}, {"input_ids": [5], "labels": [9, 1]}]
    wanted = {
        "input_ids": [[5, 6], [0, 5]], "attention_mask": [[1, 1], [0, 1]],
        "labels": [[7, 8, 1], [9, 1, -100]], "decoder_input_ids": [[2, 7, 8], [2, 9, 1]],
    }  # fmt: skip
    assert lists(Seq2SeqCollator(LeftWords(), 2)(samples)) == wanted  # answers are padded on the right in any case
    assert Seq2SeqCollator(pad_id=0)([([5], [7, 1])])["decoder_input_ids"].tolist() == [[0, 7]]
    longer = Seq2SeqCollator(Words(), 2, pad_to_multiple_of=4)(samples)
    assert longer["labels"].shape == (2, 4) == longer["decoder_input_ids"].shape
    assert shift_tokens_right([[7, -100, -100]], 0, 2).tolist() == [[2, 7, 0]]


def test_aligning():
    word_ids = [None, 0, 0, 1, 2, 2, None]
    assert align_labels([3, 0, 1], word_ids) == [-100, 3, -100, 0, 1, -100, -100]
    assert align_labels([3, 0, 1], word_ids, all_tokens=True) == [-100, 3, 3, 0, 1, 1, -100]
    assert align_labels([3, 0, 1], word_ids, all_tokens=True, inside={3: 4}) == [-100, 3, 4, 0, 1, 1, -100]
    assert align_labels([3], [0, None, 0], ignore_index=-1) == [3, -1, 3]  # another text begins
    assert align_labels([], [None]) == [-100]


@pytest.mark.parametrize("separator", [None, 99])
@pytest.mark.parametrize("drop_last", [True, False])
def test_packing(rng, separator, drop_last):
    rows = [rng.integers(0, 50, int(n)).tolist() for n in rng.integers(0, 9000, 40)]
    rows.insert(3, [])
    stream = [token for row in rows for token in (row if separator is None else [*row, separator])]
    packed = pack_tokens(rows, 17, separator, drop_last, pad_id=7)
    full, rest = divmod(len(stream), 17)
    wanted = stream[: full * 17] if drop_last or not rest else [*stream, *[7] * (17 - rest)]
    assert packed.reshape(-1).tolist() == wanted and packed.dtype == framework.int64
    blocks = list(PackedStream(rows, 17, separator, drop_last, pad_id=7))
    assert [block.tolist() for block in blocks] == packed.tolist()
    batches = list(DataLoader(PackedStream(map(np.array, rows), 17, separator, drop_last, 7), batch_size=5))
    assert batches[0].shape == (5, 17)


def test_packing_little():
    assert pack_tokens([], 3).shape == (0, 3) == pack_tokens([[1, 2]], 3).shape
    assert pack_tokens([framework.tensor([1, 2])], 3, drop_last=False).tolist() == [[1, 2, 0]]


def test_batches_of_like_length(rng):
    lengths = rng.integers(1, 200, 1003)
    data = [{"input_ids": [5] * int(n), "labels": int(n)} for n in lengths]
    sampler = LengthBucketSampler(lengths, 16)
    loader = DataLoader(data, batch_sampler=sampler, collate_fn=PaddingCollator(pad_id=0))
    first = [batch["labels"].tolist() for batch in loader]
    assert sorted(n for batch in first for n in batch) == sorted(lengths.tolist()) and len(first) == len(sampler)
    padding = sum(max(batch) * len(batch) - sum(batch) for batch in first) / lengths.sum()
    assert padding < 0.05  # in any order it is about 0.9
    state = sampler.state_dict()
    assert [batch["labels"].tolist() for batch in loader] != first
    sampler.load_state_dict(state)
    assert [batch["labels"].tolist() for batch in loader] == first  # the pass again
    framework.manual_seed(5)
    one = list(sampler)
    framework.manual_seed(5)
    assert list(sampler) == one


def test_with_a_real_tokenizer(realdata):
    from text import tokenizers

    tokenizer = tokenizers.Tokenizer.from_pretrained(realdata / "minilm-l6-v2-fp16")
    samples = [tokenizer("Masking unbelievably long words"), tokenizer("of sentences")]
    padded = PaddingCollator(tokenizer, pad_to_multiple_of=8)(samples)
    wanted = tokenizer.pad(samples, pad_to_multiple_of=8, return_tensors="np")
    assert {name: value.tolist() for name, value in padded.items()} == {
        name: value.tolist() for name, value in wanted.items()
    }
    batch = MaskingCollator(tokenizer, probability=1.0, mask_share=1.0, random_share=0.0, whole_words=True)(samples)
    hidden = batch["input_ids"] == tokenizer.mask_token_id
    assert hidden.sum(-1).tolist() == [len(row["input_ids"]) - 2 for row in samples]
