"""The families of tokenizers: what each takes for granted where its files do not say it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from text.tokenizers import codes

WORDPIECE, BYTES, WORD_ENDS, PIECES, TWO_PIECES = "WordPiece", "byte-level BPE", "BPE", "SentencePiece", "two of those"
RANKS = "tiktoken's"

_BERT = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
_BRACKETS = {"bos_token": "[CLS]", "eos_token": "[SEP]", **_BERT}
_ANGLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_END = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}

# what goes around a text, and around and between the two of a pair; a colon gives the type
_CLS = ("{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1")
_TWO_SEPS = ("{bos} $A {eos}", "{bos} $A {eos} {eos} $B {eos}")
_EACH_EOS = ("$A {eos}", "$A {eos} $B {eos}")
_LAST_EOS = ("$A {eos}", "$A $B {eos}")
_FIRST_LANGUAGE = ("{lang} $A {eos}", "{lang} $A $B {eos}")
_LAST_LANGUAGE = ("$A {eos} {lang}", "$A $B {eos} {lang}")


@dataclass(frozen=True)
class Family:
    """One family.

    Args:
        kind: the form of its vocabulary files.
        special: its special tokens by role.
        template: the special tokens around a text and around a pair; ``None`` where only ``add_bos_token`` and
            ``add_eos_token`` say that.
        token_types: whether its models tell the two texts of a pair apart.
        padding_side: where padding goes.
        trims: whether RoBERTa's rules hold: offsets leave out the blank before a word, and the mask takes it along.
        options: its settings where the files give none.
        languages: codes of languages that have a token each, after the pieces of the vocabulary.
        language: the one that texts are in unless told.
        save_class: what transformers calls a tokenizer that knows these.
    """

    kind: str
    special: dict[str, str] = field(default_factory=dict)
    template: tuple[str, str] | None = None
    token_types: bool = False
    padding_side: str = "right"
    trims: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    language: str = ""
    save_class: str = ""

    def with_language_last(self) -> Family:
        """The family, but with the language's token at the end of a text."""
        return replace(self, template=_LAST_LANGUAGE)

    @property
    def model_input_names(self) -> list[str]:
        """The entries that a call gives."""
        return ["input_ids", *(["token_type_ids"] if self.token_types else []), "attention_mask"]


FAMILIES = {
    "bert": Family(WORDPIECE, _BERT, _CLS, token_types=True),
    "distilbert": Family(WORDPIECE, _BERT, _CLS),
    "mpnet": Family(WORDPIECE, _ANGLES | {"unk_token": "[UNK]"}, _CLS, trims=True),
    "gpt2": Family(BYTES, _END),
    "gptneox": Family(BYTES, _END | {"pad_token": "<|padding|>"}),
    "opt": Family(BYTES, {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"},
                  options={"add_bos_token": True}),
    "qwen2": Family(BYTES, {"unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
                    options={"split": "qwen2"}),
    "roberta": Family(BYTES, _ANGLES, _CLS, trims=True),
    "deberta": Family(BYTES, _BRACKETS, _CLS, token_types=True),
    "clip": Family(WORD_ENDS, {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                               "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
                   ("{bos} $A {eos}", "{bos} $A {eos} {eos} $B {eos}")),
    "t5": Family(PIECES, {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, _EACH_EOS,
                 options={"extra_ids": 100}),
    "mt5": Family(PIECES, {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, _EACH_EOS,
                  options={"extra_ids": 0}),
    "albert": Family(PIECES, _BRACKETS | {"unk_token": "<unk>", "pad_token": "<pad>"}, _CLS, token_types=True,
                     options={"do_lower_case": True, "quotes": True}),
    "xlnet": Family(PIECES, _ANGLES | {"sep_token": "<sep>", "cls_token": "<cls>"},
                    ("$A:0 {sep}:0 {cls}:2", "$A:0 {sep}:0 $B:1 {sep}:1 {cls}:2"), token_types=True,
                    padding_side="left", options={"quotes": True}),
    "debertav2": Family(PIECES, _BRACKETS, _CLS, token_types=True),
    "xlmroberta": Family(PIECES, _ANGLES, _TWO_SEPS, options={"shift": "fairseq"}),
    "camembert": Family(PIECES, _ANGLES, _TWO_SEPS, options={"shift": "camembert"}),
    "mbart": Family(PIECES, _ANGLES, _LAST_LANGUAGE, options={"shift": "fairseq"}, languages=codes.MBART,
                    language="en_XX", save_class="MBartTokenizer"),
    "mbart50": Family(PIECES, _ANGLES, _FIRST_LANGUAGE, options={"shift": "fairseq"}, languages=codes.MBART50,
                      language="en_XX", save_class="MBart50Tokenizer"),
    "nllb": Family(PIECES, _ANGLES, _FIRST_LANGUAGE, options={"shift": "fairseq"}, languages=codes.NLLB,
                   language="eng_Latn", save_class="NllbTokenizer"),
    "pegasus": Family(PIECES, {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
                               "mask_token": "<mask_2>"}, _LAST_EOS, options={"shift": "pegasus"}),
    "llama": Family(PIECES, {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}, padding_side="left",
                    options={"add_bos_token": True, "legacy": False}),
    "gemma": Family(PIECES, {"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
                             "mask_token": "<mask>"}, padding_side="left",
                    options={"add_bos_token": True, "add_prefix_space": False}),
    "r50k": Family(RANKS, _END),
    "p50k": Family(RANKS, _END),
    "cl100k": Family(RANKS, _END, options={"split": "cl100k"}),
    "o200k": Family(RANKS, _END, options={"split": "o200k"}),
    "qwen": Family(RANKS, {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}, options={"split": "qwen2"}),
    "llama3": Family(RANKS, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}, padding_side="left",
                     options={"split": "cl100k", "add_bos_token": True}),
    "marian": Family(TWO_PIECES, {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, _LAST_EOS),
    "sentencepiece": Family(PIECES),
}  # fmt: skip

_SAME = {
    "bert": ("electra", "convbert", "mobilebert", "tinybert", "retribert", "nystromformer", "visualbert"),
    "gpt2": ("gptneo", "gptj", "codegen", "phi"),
    "roberta": ("bart", "longformer", "led", "xmod", "bertweet2", "roberta-prelayernorm"),
    "qwen2": ("qwen25", "qwen3", "qwen2moe", "qwen3moe"),
    "t5": ("flant5", "longt5", "switchtransformers"),
    "mt5": ("umt5",),
    "xlmroberta": ("xlmrobertaxl",),
    "nllb": ("nllbmoe",),
    "r50k": ("r50kbase",),
    "p50k": ("p50kbase",),
    "cl100k": ("cl100kbase",),
    "o200k": ("o200kbase",),
    "llama": ("mistral", "mixtral", "codellama"),
    "gemma": ("gemma2", "gemma3", "gemma3text"),
}
_BY_NAME = FAMILIES | {name.replace("-", ""): FAMILIES[same] for same, names in _SAME.items() for name in names}


def find(name: str | None) -> Family | None:
    """The family of a name as files and people write it: ``BertTokenizerFast``, ``xlm-roberta``, ``t5``."""
    if not name:
        return None
    return _BY_NAME.get(name.removesuffix("Fast").removesuffix("Tokenizer").lower().replace("-", "").replace("_", ""))


def names() -> list[str]:
    """The names that ``find`` knows."""
    return sorted(_BY_NAME)
