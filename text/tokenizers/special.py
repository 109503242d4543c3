"""The tokens with a role: padding, start, end, mask and the like, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError, MissingAttribute

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Backend

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class _Token:
    """A token by its role: the string, or ``None`` where there is none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, tokenizer: SpecialTokens | None, owner: type) -> Any:
        return self if tokenizer is None else tokenizer._named.get(self.name)

    def __set__(self, tokenizer: SpecialTokens, value: str | AddedToken | None) -> None:
        tokenizer._name(self.name, value)


class _TokenId:
    """The number of a token by its role."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_id")

    def __get__(self, tokenizer: SpecialTokens | None, owner: type) -> Any:
        if tokenizer is None:
            return self
        token = tokenizer._named.get(self.name)
        return None if token is None else tokenizer.convert_tokens_to_ids(token)

    def __set__(self, tokenizer: SpecialTokens, value: int | None) -> None:
        tokenizer._name(self.name, None if value is None else tokenizer._backend.id_to_token(value))


class SpecialTokens:
    """The part of a tokenizer that knows its special tokens. A name that is set to a string must be in the vocabulary
    to have a number; ``add_special_tokens`` puts it there."""

    bos_token = _Token()
    eos_token = _Token()
    unk_token = _Token()
    sep_token = _Token()
    pad_token = _Token()
    cls_token = _Token()
    mask_token = _Token()
    bos_token_id = _TokenId()
    eos_token_id = _TokenId()
    unk_token_id = _TokenId()
    sep_token_id = _TokenId()
    pad_token_id = _TokenId()
    cls_token_id = _TokenId()
    mask_token_id = _TokenId()
    pad_token_type_id = 0

    _backend: Backend
    _named: dict[str, str]
    _extra: list[str]

    def __getattr__(self, name: str) -> Any:  # only for the roles that a model adds to the usual ones: image_token
        named = self.__dict__.get("_named", {})
        if name in named:
            return named[name]
        if name.endswith("_id") and name[:-3] in named:
            return self.convert_tokens_to_ids(named[name[:-3]])
        raise MissingAttribute(f"{type(self).__name__} has no attribute {name!r}", name, self)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The tokens with a role, by role."""
        order = [*NAMES, *(name for name in self._named if name not in NAMES)]
        return {name: self._named[name] for name in order if name in self._named}

    @property
    def extra_special_tokens(self) -> list[str]:
        """Special tokens without a role of their own."""
        return list(self._extra)

    additional_special_tokens = extra_special_tokens  # the name until version 5 of transformers

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        """The numbers of ``all_special_tokens``."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The number of a token, or the numbers of a list of them; those unknown get the unknown token's."""
        if isinstance(tokens, str):
            found = self._backend.token_to_id(tokens)
            if found is None and (unknown := self._named.get("unk_token")) is not None:
                found = self._backend.token_to_id(unknown)
            return found
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def add_tokens(
        self, new_tokens: str | AddedToken | Sequence[str | AddedToken], special_tokens: bool = False
    ) -> int:
        """Add tokens to the end of the vocabulary; they are found in a text before anything else is.

        Args:
            new_tokens: one or several; those that are there already are left as they are.
            special_tokens: whether decoding may skip them.

        Returns:
            How many had not been added before; those of the vocabulary count too, for they are found first from now on.
            The model's embedding must have ``len(tokenizer)`` rows.
        """
        tokens = [new_tokens] if isinstance(new_tokens, str) or not isinstance(new_tokens, Sequence) else new_tokens
        if not tokens:
            return 0
        return (self._backend.add_special_tokens if special_tokens else self._backend.add_tokens)(list(tokens))

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Give tokens their roles, and put those that are not there into the vocabulary.

        Args:
            special_tokens_dict: by role: ``pad_token``, ``cls_token`` and the like, and ``extra_special_tokens`` (or
                ``additional_special_tokens``), a list of those without one.
            replace_extra_special_tokens: whether that list takes the place of the former one or is added to it.

        Returns:
            How many had not been added before.

        Raises:
            ArgumentError: there is no such role.

        Example:
            >>> tokenizer.add_special_tokens({"pad_token": "[PAD]"})  # doctest: +SKIP
            1
        """
        from tokenizers import AddedToken

        def special(token: str | AddedToken) -> AddedToken:
            return AddedToken(token, special=True, normalized=False) if isinstance(token, str) else token

        tokens = []
        for name, value in special_tokens_dict.items():
            if name in ("extra_special_tokens", "additional_special_tokens"):
                tokens += [special(token) for token in value]
                before = [] if replace_extra_special_tokens else self._extra
                self._extra = list(dict.fromkeys([*before, *map(content, value)]))
            elif name in NAMES:
                tokens.append(special(value))
                self._name(name, value)
            else:
                raise ArgumentError(
                    f"add_special_tokens: there is no role {name!r}; there are {', '.join(NAMES)} and extra_special_tokens"
                )
        return self.add_tokens(tokens, special_tokens=True)

    def _name(self, name: str, value: str | AddedToken | None) -> None:
        if value is None:
            self._named.pop(name, None)
        else:
            self._named[name] = content(value)

    def _special_numbers(self) -> frozenset[int]:
        return frozenset(number for number in self.all_special_ids if number is not None)


def content(token: Any) -> str:
    """The string of a token, which may come with rules about the blanks around it."""
    if isinstance(token, str):
        return token
    text = token.get("content") if isinstance(token, Mapping) else getattr(token, "content", None)
    if not isinstance(text, str):
        raise ArgumentError(f"a special token is a string or an AddedToken, got {token!r}")
    return text


def contents(tokens: Iterable[Any]) -> list[str]:
    """The strings of several tokens."""
    return [content(token) for token in tokens]
