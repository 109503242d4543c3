"""Real vocabularies on lines of real corpora."""

from __future__ import annotations

import gzip

import pytest
import tokenizers

from text.tokenizers import Tokenizer

ODD = [
    "  two  spaces ",
    "tab\there",
    "",
    " ",
    "▁x y▁z",
    "naïve ﬁ ① ｆｕｌｌ",
    "日本語 text",
    "a\u00a0b\u3000c",
    "🙂",
    "\u200bz",
    "e\u0301",
]


@pytest.fixture
def corpus(realdata):
    """A thousand lines of four corpora."""
    found = (realdata / "sst2" / "train.tsv").read_text().splitlines()[:300]
    found += (realdata / "ag-news-test" / "test.csv").read_text().splitlines()[:200]
    found += (realdata / "wikitext-2-small" / "test.txt").read_text().splitlines()[:200]
    for path in sorted((realdata / "multi30k-en-de").glob("*.gz"))[:3]:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += file.read().splitlines()[:100]
    assert len(found) == 1000
    return found + ODD


def test_gpt2(realdata, corpus):
    folder = realdata / "tokenizers" / "gpt2"
    ours = Tokenizer.from_pretrained(folder)
    theirs = tokenizers.ByteLevelBPETokenizer.from_file(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    ids = ours(corpus)["input_ids"]
    assert ids == [encoding.ids for encoding in theirs.encode_batch(corpus)]
    assert ours.batch_decode(ids) == corpus
    assert len(ours) == ours.vocab_size == 50257
    assert ours.bos_token_id == ours.eos_token_id == ours.unk_token_id == 50256 and ours.pad_token is None
    assert ours("a<|endoftext|>b")["input_ids"] == [64, 50256, 65]
    assert ours.model_input_names == ["input_ids", "attention_mask"]


def test_bert(realdata, corpus):
    folder = realdata / "tokenizers" / "bert-base-cased"
    ours = Tokenizer.from_pretrained(folder)
    theirs = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=False)
    batch = ours(corpus, corpus[::-1])
    expected = theirs.encode_batch(list(zip(corpus, corpus[::-1])))
    assert batch["input_ids"] == [encoding.ids for encoding in expected]
    assert batch["token_type_ids"] == [encoding.type_ids for encoding in expected]
    assert [row.offsets for row in batch.encodings] == [encoding.offsets for encoding in expected]
    text = "A man, eating bread in Berlin!"
    assert ours.decode(ours.encode(text), skip_special_tokens=True) == text
    lowered = Tokenizer.from_pretrained(folder, do_lower_case=True)
    assert lowered.tokenize("Hello Wörld")[0] == "hello"
    assert (ours.cls_token_id, ours.sep_token_id, ours.pad_token_id, ours.mask_token_id) == (101, 102, 0, 103)


def test_t5(realdata, corpus):
    sentencepiece = pytest.importorskip("sentencepiece")
    path = realdata / "tokenizers" / "t5" / "spiece.model"
    ours = Tokenizer.from_pretrained(path.parent)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    corpus = [text.replace("<unk>", "unknown") for text in corpus]  # for us the special token, for them five letters
    expected = theirs.encode(corpus)
    plain = Tokenizer.from_pretrained(path, family="sentencepiece")
    assert plain(corpus)["input_ids"] == expected and len(plain) == 32000
    assert ours(corpus)["input_ids"] == [[*ids, 1] for ids in expected]
    assert ours(corpus, add_special_tokens=False)["input_ids"] == expected
    known = [row for row in expected if 2 not in row]
    assert len(known) > 900
    assert ours.batch_decode(known) == theirs.decode(known)


def test_t5_pairs_and_sentinels(realdata):
    ours = Tokenizer.from_pretrained(realdata / "tokenizers" / "t5")
    assert ours("The house", "Das Haus").tokens() == ["▁The", "▁house", "</s>", "▁Das", "▁Haus", "</s>"]
    assert ours.convert_tokens_to_ids(["<extra_id_0>", "<extra_id_99>", "<pad>", "</s>", "<unk>"]) == [
        32099,
        32000,
        0,
        1,
        2,
    ]
    assert len(ours) == 32100
    assert 32099 in ours("The <extra_id_0> walks")["input_ids"]
    text = "The house is wonderful."
    assert ours.decode(ours.encode(text), skip_special_tokens=True) == text
    labels = ours("A", text_target="B", return_tensors="np")
    assert labels["labels"].tolist() == [ours.encode("B")]
