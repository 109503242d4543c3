"""Folders with a bare SentencePiece model beside transformers' own reading of them, which needs protobuf."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.text.peer import transformers
from tests.text.tokenizers.test_sentencepiece import LINES
from text.tokenizers import Tokenizer

TEXTS = ["the quick fox, 12 jugs!", "Pack My BOX", "naïve café", "unknown 日本", "", "a b"]
T5: dict[str, Any] = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {  # class, kind of model, how it was trained
    "xlm-roberta": ("XLMRobertaTokenizer", "unigram", {}),
    "camembert": ("CamembertTokenizer", "unigram", {}),
    "mbart": ("MBartTokenizer", "unigram", {}),
    "mbart50": ("MBart50Tokenizer", "unigram", {}),
    "t5": ("T5Tokenizer", "unigram", T5),
    "pegasus": ("PegasusTokenizer", "unigram", T5),
    "albert": (
        "AlbertTokenizer", "unigram",
        {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": ["[CLS]", "[SEP]", "[MASK]"]},
    ),
    "xlnet": (
        "XLNetTokenizer", "unigram",
        {"bos_id": -1, "eos_id": -1, "control_symbols": ["<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>"]},
    ),
    "deberta-v2": (
        "DebertaV2Tokenizer", "unigram",
        {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "bos_piece": "[CLS]",
         "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
    ),
    "llama": ("LlamaTokenizer", "bpe", {"byte_fallback": True, "vocab_size": 400}),
    "gemma": (
        "GemmaTokenizer", "bpe",
        {"byte_fallback": True, "vocab_size": 400, "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3,
         "bos_piece": "<bos>", "eos_piece": "<eos>"},
    ),
}  # fmt: skip
FILES = {"llama": "tokenizer.model", "gemma": "tokenizer.model", "deberta-v2": "spm.model"}
SHIFTED = ("xlm-roberta", "camembert", "mbart", "mbart50")


@pytest.mark.parametrize("family", FAMILIES)
def test_as_transformers(family, tmp_path):
    library = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    name, kind, options = FAMILIES[family]
    out = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=out, minloglevel=2, hard_vocab_limit=False, model_type=kind,
        **{"vocab_size": 90, **options},
    )  # fmt: skip
    shifted = "sentencepiece.bpe.model" if family in SHIFTED else "spiece.model"
    (tmp_path / FILES.get(family, shifted)).write_bytes(out.getvalue())
    config = {"tokenizer_class": name, **({"add_bos_token": True} if kind == "bpe" else {})}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mbart" if family == "mbart50" else family}))
    ours, theirs = Tokenizer.from_pretrained(tmp_path), transformers().AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"], text
    assert ours(TEXTS[0], TEXTS[1])["input_ids"] == theirs(TEXTS[0], TEXTS[1])["input_ids"]
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.pad_token_id == theirs.pad_token_id and ours.mask_token_id == theirs.mask_token_id
