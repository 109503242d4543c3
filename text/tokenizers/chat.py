"""Chats written as the one text that a language model was trained on, by its own Jinja template.

A template comes with a model from a stranger. It runs in Jinja2's sandbox, in which it can read what it is given and
nothing else, and can change none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from framework.errors import ArgumentError

if TYPE_CHECKING:
    from text.tokenizers.tokenizer import Tokenizer


def apply(
    tokenizer: Tokenizer,
    conversation: Sequence[Any],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, str]] | None = None,
    chat_template: str | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool = False,
    tokenize: bool = True,
    padding: bool | str = False,
    truncation: bool | str | None = None,
    max_length: int | None = None,
    return_tensors: str | None = None,
    return_dict: bool = True,
    return_assistant_tokens_mask: bool = False,
    tokenizer_kwargs: Mapping[str, Any] | None = None,
    **variables: Any,
) -> Any:
    """A chat, or a list of chats, as text or tokens.

    Args:
        tokenizer: whose template and special tokens are used.
        conversation: messages, ``{"role": "user", "content": "Hello"}``, or a list of such lists.
        tools: what the model may call, each as a JSON schema.
        documents: what it may quote.
        chat_template: another template than the tokenizer's, or the name of one of several.
        add_generation_prompt: end with the start of the assistant's answer.
        continue_final_message: leave the last message open, so that the model goes on with it.
        tokenize: whether to give tokens or the text.
        padding, truncation, max_length, return_tensors: as in a call of the tokenizer.
        return_dict: whether to give all entries or the ``input_ids`` alone.
        return_assistant_tokens_mask: give ``assistant_masks``, 1 for tokens of the assistant, which the template must
            mark by ``{% generation %}``.
        tokenizer_kwargs: further arguments of that call.
        variables: what the template is told besides.

    Raises:
        ArgumentError: there is no template, it is broken, it refuses the chat, or it reaches out of the sandbox.
        ImportError: ``jinja2`` is not installed.

    Example:
        >>> chat = [{"role": "user", "content": "Name a colour."}]  # doctest: +SKIP
        >>> tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")  # doctest: +SKIP
    """
    if not conversation:
        raise ArgumentError("apply_chat_template: expected at least one message")
    if continue_final_message and (add_generation_prompt or return_assistant_tokens_mask):
        raise ArgumentError("apply_chat_template: continue_final_message goes with no other way of ending the chat")
    batched = isinstance(conversation[0], Sequence)
    chats = conversation if batched else [conversation]
    template = choose(tokenizer, chat_template, tools)
    given = {**tokenizer.special_tokens_map, "add_generation_prompt": add_generation_prompt, **variables}
    given |= {"tools": tools, "documents": documents}
    texts, spans = [], []
    for chat in chats:
        text, marked = _render(template, chat, given)
        texts.append(_cut_open(text, chat) if continue_final_message else text)
        spans.append(marked)
    if not tokenize:
        return texts if batched else texts[0]
    encoded = tokenizer(
        texts if batched else texts[0],
        add_special_tokens=False,
        padding=padding,
        truncation=truncation,
        max_length=max_length,
        return_tensors=return_tensors,
        **(tokenizer_kwargs or {}),
    )
    if return_assistant_tokens_mask:
        masks = [
            [int(any(start < last and first < end for first, last in marked)) for start, end in encoding.offsets]
            for encoding, marked in zip(encoded.encodings or (), spans, strict=True)
        ]
        encoded["assistant_masks"] = masks if batched or return_tensors else masks[0]
        encoded.convert_to_tensors(return_tensors)
    return encoded if return_dict else encoded["input_ids"]


def choose(tokenizer: Tokenizer, name: str | None = None, tools: Any = None) -> str:
    """The template to use: the one given, the one of that name, or the tokenizer's own."""
    own = tokenizer.chat_template
    if isinstance(own, Mapping):
        if name is not None:
            return own.get(name, name)
        for likely in ("tool_use", "default") if tools is not None else ("default",):
            if likely in own:
                return own[likely]
        raise ArgumentError(f"apply_chat_template: say which template: {', '.join(sorted(own))}")
    found = own if name is None else name
    if found is None:
        raise ArgumentError("apply_chat_template: this tokenizer has no chat template; pass one as chat_template=")
    return found


def _render(template: str, chat: Sequence[Any], given: Mapping[str, Any]) -> tuple[str, list[tuple[int, int]]]:
    """The text, and where in it the assistant speaks."""
    try:
        import jinja2

        from text.tokenizers import sandbox
    except ImportError as error:
        raise ImportError(
            "chat templates need the library jinja2; install it with: pip install 'eagerkit[chat]'"
        ) from error
    try:
        messages = [{name: value for name, value in message.items() if value is not None} for message in chat]
        return sandbox.spans(sandbox.compiled(template).render(sandbox.plain({**given, "messages": messages})))
    except jinja2.TemplateError as error:
        raise ArgumentError(f"apply_chat_template: the template refused the chat: {error}") from error
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ArgumentError(f"apply_chat_template: the template failed: {type(error).__name__}: {error}") from error


def _cut_open(text: str, chat: Sequence[Any]) -> str:
    """The text up to the end of the last message, without what would close it."""
    last = chat[-1]["content"]
    if not isinstance(last, str):
        last = next((part["text"] for part in reversed(last) if part.get("type") == "text"), "")
    found = text.rfind(last.strip())
    if not last.strip() or found < 0:
        raise ArgumentError("apply_chat_template: the last message is not in the text that the template makes of it")
    end = found + len(last.strip())
    kept = text[end : end + len(last) - len(last.rstrip())]  # blanks at its end, where the template left them
    return text[:end] + (kept if last.endswith(kept) else "")
