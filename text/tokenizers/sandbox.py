"""Jinja2 as chat templates expect it, in a sandbox: a template reads plain data and writes one text."""

from __future__ import annotations

import datetime
import functools
import json
import secrets
from collections.abc import Mapping
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

_LONGEST = 1 << 20  # characters or items that a template may make by multiplying
# around what the assistant says; drawn anew in each process, so that no message can hold them
_START, _END = (f"\x02{secrets.token_hex(16)}\x03" for _ in range(2))


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, in which a product cannot fill the memory either."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        pair = (left, right) if isinstance(left, int) else (right, left)
        if operator == "**" and abs(right) > 64:
            raise jinja2.exceptions.SecurityError("a power beyond the 64th")
        if operator == "*" and isinstance(pair[1], str | list | tuple) and pair[0] * len(pair[1]) > _LONGEST:
            raise jinja2.exceptions.SecurityError(f"a product of more than {_LONGEST} items")
        return super().call_binop(context, operator, left, right)


class _Namespace(jinja2.utils.Namespace):
    """A namespace without names that begin with an underscore, behind which Python's insides are."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a name that begins with an underscore: {name!r}")
        super().__setitem__(name, value)


class _Generation(jinja2.ext.Extension):
    """``{% generation %}`` ... ``{% endgeneration %}``: what the assistant says."""

    tags = {"generation"}  # noqa: RUF012 - Jinja2's own name and form

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Any) -> str:
        return f"{_START}{caller()}{_END}"


@functools.lru_cache(maxsize=32)
def compiled(template: str) -> jinja2.Template:
    """A template ready to be rendered."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": _now,
        "namespace": _namespace,
        "dict": _dict,
    }
    return environment.from_string(template)


def spans(rendered: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the first and last but one character of what stood between each two."""
    text, *rest = rendered.split(_START)
    found = []
    for part in rest:
        inside, _, after = part.partition(_END)
        found.append((len(text), len(text) + len(inside)))
        text += inside + after
    return text, found


def plain(value: Any) -> Any:
    """A value rebuilt from plain data alone, for methods of other objects are doors out of the sandbox."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return f"<{type(value).__name__}>"  # a picture, say: templates ask whether it is there, not what is in it


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.datetime.now().strftime(form)


def _namespace(*args: Any, **names: Any) -> _Namespace:
    made = _Namespace()
    for name, value in dict(*args, **names).items():
        made[name] = value
    return made


def _dict(*args: Any, **names: Any) -> dict[Any, Any]:
    return dict(*args, **names)
