"""Tokenizers of translation models that mark a text by its language: mBART, mBART-50 and NLLB.

References: Liu et al., "Multilingual Denoising Pre-training for Neural Machine Translation", https://arxiv.org/abs/2001.08210;
Tang et al., "Multilingual Translation with Extensible Multilingual Pretraining and Finetuning",
https://arxiv.org/abs/2008.00401; NLLB Team, "No Language Left Behind", https://arxiv.org/abs/2207.04672.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError, nearest
from text.tokenizers import assembling
from text.tokenizers.families import Family
from text.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


class LanguageTokenizer(Tokenizer):
    """A tokenizer that puts the language's token beside a text: ``src_lang``'s, and for ``text_target`` ``tgt_lang``'s.

    It is had by ``Tokenizer.from_pretrained(folder, src_lang=..., tgt_lang=...)``.

    Args:
        backend: the library's tokenizer.
        family: whose rules hold.
        src_lang: the code of the language that texts are in; the family's first unless given.
        tgt_lang: that of what the model is to answer; ``src_lang`` unless given.
        legacy_behaviour: of NLLB, whether the language stands at the end, as it did at first.
        settings: the arguments of ``Tokenizer``.

    Example:
        >>> tokenizer = Tokenizer.from_pretrained("nllb", src_lang="eng_Latn", tgt_lang="fra_Latn")  # doctest: +SKIP
        >>> batch = tokenizer("a text", text_target="un texte", return_tensors="pt")  # doctest: +SKIP
        >>> model.generate(**batch, forced_bos_token_id=tokenizer.lang_code_to_id["fra_Latn"])  # doctest: +SKIP
    """

    def __init__(
        self,
        backend: Backend,
        *,
        family: Family,
        src_lang: str | None = None,
        tgt_lang: str | None = None,
        legacy_behaviour: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(backend, **settings)
        self._family = family.with_language_last() if legacy_behaviour else family
        self._set = {"language": ""}  # whose token texts get now: a state of the backend, which both sides share
        self._answers = False
        self.src_lang = src_lang or family.language
        self.tgt_lang = tgt_lang
        self.save_class = family.save_class

    @property
    def src_lang(self) -> str:
        """The code of the language that texts are in."""
        return self._src_lang

    @src_lang.setter
    def src_lang(self, code: str) -> None:
        self._src_lang = self._checked(code)
        with self._lock:
            self._mark(self._src_lang)
        self.config["src_lang"] = code

    @property
    def tgt_lang(self) -> str | None:
        """The code of the language that the model is to answer in."""
        return self._tgt_lang

    @tgt_lang.setter
    def tgt_lang(self, code: str | None) -> None:
        self._tgt_lang = None if code is None else self._checked(code)
        self.config["tgt_lang"] = code

    @property
    def lang_code_to_id(self) -> dict[str, int]:
        """The languages' codes and the numbers of their tokens."""
        codes = dict.fromkeys((*self._family.languages, *self.extra_special_tokens))
        found = {code: self._backend.token_to_id(code) for code in codes}
        return {code: number for code, number in found.items() if number is not None}

    def save_pretrained(self, folder: Any) -> list[Path]:
        """As for all tokenizers; texts in ``src_lang`` are what ``tokenizer.json`` then marks."""
        with self._lock:
            self._mark(self._src_lang)
        return super().save_pretrained(folder)

    def _checked(self, code: str) -> str:
        known = self.lang_code_to_id
        if code not in known:
            raise ArgumentError(
                f"src_lang, tgt_lang: the vocabulary has no language {code!r}{nearest(code, known)}; it has "
                f"{', '.join(list(known)[:8])} ..."
            )
        return code

    def _mark(self, code: str) -> None:
        if self._set["language"] != code:
            assembling.surround(self._backend, self._family, self._named | {"lang_token": code})
            self._set["language"] = code

    def _before_encoding(self) -> None:
        self._mark((self._tgt_lang or self._src_lang) if self._answers else self._src_lang)

    def _target_side(self) -> LanguageTokenizer:
        other = copy.copy(self)
        other._answers, other._lock = True, self._lock
        return other
