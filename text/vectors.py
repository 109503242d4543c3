"""Pretrained word vectors: GloVe, fastText, word2vec, and any file in their formats.

The numbers of a file are written once, as one array, into the cache, and mapped into memory from there: nothing is
parsed twice, and of a file of gigabytes only the pages that are asked for are ever read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import framework
from framework import Tensor
from framework.errors import ArgumentError
from hub import download, get_dir
from text.vector_files import convert, opened

_GLOVE = {
    "6B": ("glove.6B.zip", (50, 100, 200, 300), "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"),
    "42B": ("glove.42B.300d.zip", (300,), "03d5d7fa28e58762ace4b85fb71fe86a345ef0b5ff39f5390c14869da0fc1970"),
    "840B": ("glove.840B.300d.zip", (300,), "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f"),
    "twitter.27B": (
        "glove.twitter.27B.zip", (25, 50, 100, 200),
        "792af52f795d1a32c9842a3240f5f3fe5e941a8ff6df5eb0f9d668092ebc019c",
    ),
}  # fmt: skip
_FASTTEXT = {
    "ar": "5527041ce04fa66e45e27d7bd278f00425d97fde8c67755392d70f112fecc356",
    "cs": "0eba2ac0852b1057909d4e8e5e3fa75470f9cb9408b364433ac4747eb2b568a9",
    "da": "397b0c3e18f710fb8aa1caf86441a25af2f247335e8560dbe949feb3613ef5cc",
    "de": "3020c26e32238ba95a933926763b5c693bf7793bf0c722055cecda1e0283578c",
    "el": "a397de14c637f0b843fcda8724b406f5a7fe9f3ead7f02cfcaeed43858212da6",
    "en": "ba5420ac217fb34f15f58ded0d911a4370dfb1f3341fa7511a49ae74c87de282",
    "es": "cf2e9a1976055a18ad358fb0331bc5f9b2e8541d6d4903b562a63b60f3ae392e",
    "fi": "63017414860020f7409d31c8b65c1f8ed0a64fe11224d4e82e17667ce0fbd0c5",
    "fr": "bc68b0703375da9e81c3c11d0c28f3f8375dd944c209e697c4075e579455ac2a",
    "he": "5d861a705bf541671c0cee731c1b71f6a65d8defd3df2978a7f83e8b0580903b",
    "hi": "e5ec503a898207e17a7681d97876607b0481384b6c1cc4c9c6b6aaba7ad293d0",
    "hu": "766de324b4783fe2d31df8f78966ea088712a981b6b0b5336bc71938773fe21e",
    "it": "5a9d111edd3f199e7379373ba18f4e5317c6c6c5053a9d6d0a56f32298d3bde4",
    "ja": "b44b2eef8bdcf0739c971c4ff7fcae7a300b5e06cf0e50c5787082957ad9d998",
    "ko": "44bae904dd7923d1178e83067cc42d9437097f7e86cb83bdd8281febe4b9adaa",
    "nl": "d0601975d00d672ad03a3b146c13c4b6240111d286834e385853e2a25f4fb66a",
    "no": "762670d35c29910a0daa86444a1b32d4fd9c94deff82c53abe751c5463dcb025",
    "pl": "9c2674431e796595c8c1d3b5e1a941c7e833d23cad223d6e4d1c36447af5f3cc",
    "pt": "bffbfcafb9f004f13f1be12fa0201c5011324b14a52c2996ae2b97f268819e0c",
    "ro": "e19b3e99a6eae03c15dc5f5d7385beb2540528ee102501499b7ca846c2687d83",
    "ru": "9567b90e037c459eb4be4c2a47a04fffbfd5b0d01b84baf86b16535f0dc3728e",
    "sv": "d21b96312bcf64faf1cd972d6eff44cd4a5afc575ff5c8f9b31d2d8819f56fca",
    "tr": "4cf567dbb73053bb7b08370e89ec6a7c5626e397e71de99637e70c68ba4c71d9",
    "uk": "186523ce3be943f9ecae127155371c494192564d1dffe743ab5db8ba28e50874",
    "vi": "206206d496697de7e96c69500e926014c9f71c7115c3844350766ced21d7003f",
    "zh": "76f72bd13269ae492715415ef62afb109046ce557f5af24e822b71f9b9360bef",
}


class Vectors:
    """Words and their vectors, from a file.

    Args:
        name: a file: text (a word and its numbers a line, with or without fastText's first line of counts) or
            word2vec's binary form (``.bin``), plain, or packed as ``.gz``, ``.zip`` or ``.tar.gz``; with ``url`` the
            file's name in the cache.
        cache: the folder of fetched files and of their arrays; ``vectors`` in ``hub.get_dir()`` unless given.
        url: where the file is fetched from if it is not there.
        unk_init: what makes the vector of an unknown word of a tensor of zeros; zeros unless given.
        max_vectors: keep the first so many, which are those of the most frequent words.
        vocab: keep the words of a ``Vocab``, or of any collection of words, alone. Then nothing is written into the
            cache.
        member: the file's name in a packed file that has several.
        sha256: the hash of what is fetched, which ``url`` needs.

    Attributes:
        itos: the words.
        stoi: the row of each word.
        vectors: a tensor of shape (words, dim).
        dim: how many numbers a vector has.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no file of vectors, or is cut short.

    Example:
        >>> glove = text.vectors.GloVe("6B", dim=100, vocab=vocab)  # doctest: +SKIP
        >>> embedding = nn.Embedding.from_pretrained(glove.get_vecs_by_tokens(vocab.get_itos()))  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str | os.PathLike[str],
        cache: str | os.PathLike[str] | None = None,
        url: str | Sequence[str] | None = None,
        unk_init: Callable[[Tensor], Tensor] | None = None,
        max_vectors: int | None = None,
        vocab: Iterable[str] | Any = None,
        *,
        member: str | None = None,
        sha256: str | None = None,
    ) -> None:
        folder = Path(cache) if cache is not None else Path(get_dir(), "vectors")
        path = Path(name)
        if not path.is_file() and url is not None:
            path = download(url, folder / path.name, sha256=sha256)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no such file of vectors; pass its place, or a url to fetch it from"
            )
        self.unk_init = unk_init
        if vocab is not None:
            wanted = frozenset(vocab.get_itos() if hasattr(vocab, "get_itos") else vocab)
            self.itos, numbers = convert(path, member, max_vectors, wanted)
        else:
            self.itos, numbers = opened(path, member, max_vectors, folder)
        self.vectors = framework.from_numpy(numbers)
        self.dim = numbers.shape[1]
        self.stoi = {word: row for row, word in enumerate(self.itos)}

    def __len__(self) -> int:
        return len(self.itos)

    def __contains__(self, token: object) -> bool:
        return token in self.stoi

    def __getitem__(self, token: str) -> Tensor:
        row = self.stoi.get(token)
        return self._unknown() if row is None else self.vectors[row]

    def _unknown(self) -> Tensor:
        zeros = framework.zeros(self.dim)
        return zeros if self.unk_init is None else self.unk_init(zeros)

    def get_vecs_by_tokens(self, tokens: str | Sequence[str], lower_case_backup: bool = False) -> Tensor:
        """The vectors of words.

        Args:
            tokens: a word, or a list of them.
            lower_case_backup: look an unknown word up in lower case.

        Shape:
            Output: (dim) for a word, (words, dim) for a list.
        """
        words = [tokens] if isinstance(tokens, str) else list(tokens)
        find = self.stoi.get
        rows = np.fromiter((find(word, -1) for word in words), np.int64, len(words))
        if lower_case_backup:
            for place in np.flatnonzero(rows < 0):
                rows[place] = find(words[place].lower(), -1)
        found = np.zeros((len(words), self.dim), np.float32)
        known = rows >= 0
        found[known] = self.vectors.numpy()[rows[known]]
        for place in np.flatnonzero(~known) if self._guesses else ():
            word = words[place].lower() if lower_case_backup else words[place]
            found[place] = self[word].numpy()
        result = framework.from_numpy(found)
        return result[0] if isinstance(tokens, str) else result

    @property
    def _guesses(self) -> bool:
        """Whether unknown words have vectors other than zeros."""
        return self.unk_init is not None


class GloVe(Vectors):
    """Stanford's vectors.

    Args:
        name: ``"6B"``, ``"42B"``, ``"840B"`` or ``"twitter.27B"``: what they were learnt from.
        dim: 300; for ``"6B"`` also 50, 100 and 200; for ``"twitter.27B"`` 25, 50, 100 and 200.
        options: the arguments of ``Vectors``.

    Reference: Pennington, Socher and Manning, "GloVe: Global Vectors for Word Representation",
    https://aclanthology.org/D14-1162
    """

    def __init__(self, name: str = "840B", dim: int = 300, **options: Any) -> None:
        if name not in _GLOVE:
            raise ArgumentError(f"GloVe: there are {', '.join(_GLOVE)}, got {name!r}")
        file, sizes, digest = _GLOVE[name]
        if dim not in sizes:
            raise ArgumentError(f"GloVe: {name} has vectors of {', '.join(map(str, sizes))} numbers, got {dim}")
        member = f"glove.{name}.{dim}d.txt"
        options = {"url": f"https://nlp.stanford.edu/data/{file}", "sha256": digest, **options}
        super().__init__(_there(options.get("cache"), member, file), member=member, **options)


class FastText(Vectors):
    """fastText's vectors of Wikipedia.

    Args:
        language: its code, such as ``"en"``. For languages whose hash is not in our table pass ``sha256``.
        options: the arguments of ``Vectors``.

    Reference: Bojanowski et al., "Enriching Word Vectors with Subword Information", https://arxiv.org/abs/1607.04606
    """

    def __init__(self, language: str = "en", **options: Any) -> None:
        file = f"wiki.{language}.vec"
        options = {
            "url": f"https://dl.fbaipublicfiles.com/fasttext/vectors-wiki/{file}",
            "sha256": _FASTTEXT.get(language),
            **options,
        }
        super().__init__(_there(options.get("cache"), file), **options)


class CharNGram(Vectors):
    """Vectors of the two, three and four letters in a row; a word's is the mean of those it has.

    The address publishes no hash: pass ``sha256``, or put the file (``jmt_pre-trained_embeddings.tar.gz``, or the
    ``charNgram.txt`` in it) into the cache.

    Reference: Hashimoto et al., "A Joint Many-Task Model", https://arxiv.org/abs/1611.01587
    """

    _guesses = True  # every word is made of parts

    def __init__(self, **options: Any) -> None:
        file = "jmt_pre-trained_embeddings.tar.gz"
        address = f"https://www.logos.t.u-tokyo.ac.jp/~hassy/publications/arxiv2016jmt/{file}"
        options = {"url": address, **options}
        super().__init__(_there(options.get("cache"), "charNgram.txt", file), member="charNgram.txt", **options)

    def __getitem__(self, token: str) -> Tensor:
        letters = ["#BEGIN#", *token, "#END#"]
        grams = (
            f"{size}gram-{''.join(letters[start : start + size])}"
            for size in (2, 3, 4)
            for start in range(len(letters) - size + 1)
        )
        rows = [row for gram in grams if (row := self.stoi.get(gram)) is not None]
        return self.vectors[rows].mean(0) if rows else self._unknown()


def _there(cache: str | os.PathLike[str] | None, *names: str) -> Path:
    """The first of several names that is in the cache; the last one if none is."""
    folder = Path(cache) if cache is not None else Path(get_dir(), "vectors")
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[-1])
