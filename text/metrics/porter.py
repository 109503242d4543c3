"""The stems of English words, by Porter's rules.

Reference: Porter, "An algorithm for suffix stripping", 1980, https://tartarus.org/martin/PorterStemmer/def.txt. Where the
stemmer of NLTK departs from it, so does this: the figures of ROUGE that people publish are made with that one. Of the words
of English Wikipedia two in a hundred have another stem by the paper alone, "used" and "they" among them, so a library that
keeps to the paper does not give those figures; and NLTK takes a second to import.
"""

from __future__ import annotations

import functools

_STRANGE = {
    "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "innings": "inning", "outings": "outing",
    "cannings": "canning",
    **{word: word for word in ("sky", "news", "inning", "outing", "canning", "howe", "proceed", "exceed", "succeed")},
}  # fmt: skip
_STEP_2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
)  # fmt: skip
_STEP_3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip


@functools.lru_cache(1 << 16)
def stem(word: str) -> str:
    """The stem of a word in small letters.

    Example:
        >>> stem("relational"), stem("hopping")
        ('relat', 'hop')
    """
    if word in _STRANGE:
        return _STRANGE[word]
    if len(word) <= 2:
        return word
    word = _without_past(_without_plural(word))
    if word[-1] == "y" and len(word) > 2 and _kinds(word)[-2] == "c":
        word = f"{word[:-1]}i"
    return _without_e(_without_last(_shorter(_shorter_twice(word), _STEP_3)))


def _kinds(word: str) -> str:
    """A letter for each: "v" for a vowel, "c" for a consonant. A y after a consonant is a vowel."""
    kinds: list[str] = []
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and bool(kinds) and kinds[-1] == "c")
        kinds.append("v" if vowel else "c")
    return "".join(kinds)


def _measure(word: str) -> int:
    """How often consonants follow vowels."""
    return _kinds(word).count("vc")


def _is_short(word: str) -> bool:
    """Whether it ends in a consonant, a vowel and a consonant other than w, x and y, or is a vowel and a consonant."""
    kinds = _kinds(word)
    return kinds == "vc" or (kinds[-3:] == "cvc" and word[-1] not in "wxy")


def _without_plural(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:
        return word[:-1]
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word[-1] == "s" and not word.endswith("ss") else word


def _without_past(word: str) -> str:
    """Without -ed and -ing, and with the e that those took the place of."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    rest = next((word.removesuffix(end) for end in ("ed", "ing") if _has_vowel_before(word, end)), None)
    if rest is None:
        return word
    if rest.endswith(("at", "bl", "iz")):
        return f"{rest}e"
    if rest[-2:] == 2 * rest[-1] and _kinds(rest)[-1] == "c":
        return rest if rest[-1] in "lsz" else rest[:-1]
    return f"{rest}e" if _measure(rest) == 1 and _is_short(rest) else rest


def _has_vowel_before(word: str, end: str) -> bool:
    return word.endswith(end) and "v" in _kinds(word.removesuffix(end))


def _shorter(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    """By the first rule whose ending the word has, if anything like a syllable stays."""
    for end, other in rules:
        if word.endswith(end):
            rest = word.removesuffix(end)
            return rest + other if _measure(rest) else word
    return word


def _shorter_twice(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]):
        return _shorter_twice(word[:-2])
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) else word
    return _shorter(word, _STEP_2)


def _without_last(word: str) -> str:
    end = next((end for end in _STEP_4 if word.endswith(end)), "")
    rest = word.removesuffix(end)
    if not end or _measure(rest) < 2 or (end == "ion" and rest[-1] not in "st"):
        return word
    return rest


def _without_e(word: str) -> str:
    if word[-1] == "e":
        rest = word[:-1]
        measure = _measure(rest)
        if measure > 1 or (measure == 1 and not _is_short(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
