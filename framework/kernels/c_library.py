"""A vendor's C library called through ctypes: found when first asked for, its functions typed, its statuses made errors.

Calls that launch work release the interpreter's lock; those that only set a value keep it, which is cheaper.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_int, c_void_p
from typing import Any, ClassVar, Generic, TypeVar

Types = tuple[Any, ...]
MISSING = (ImportError, RuntimeError, OSError, AttributeError)  # what is absent, not to be loaded, or too old raises


class StatusError(RuntimeError):
    """A call that a library refused.

    Attributes:
        status: what it returned.
    """

    known: ClassVar[dict[int, tuple[str, str]]]  # a status, its name, and what to do

    def __init__(self, function: str, status: int) -> None:
        self.status = status
        name, advice = self.described(status)
        super().__init__(f"{function}: status {status} ({name}): {advice}")

    @classmethod
    def described(cls, status: int) -> tuple[str, str]:
        """A status's name, and what to do."""
        return cls.known.get(status, ("an unknown status", "please report the call"))


class CLibrary:
    """Functions of a library that return a status.

    Attributes:
        functions: by their names.
    """

    error: ClassVar[type[StatusError]]

    def __init__(self) -> None:
        self.functions: dict[str, Any] = {}

    def bind(self, path: str, functions: dict[str, Types], launches: set[str]) -> None:
        """Add the functions of a shared object, with the types of their arguments.

        Raises:
            OSError: it can't be loaded.
            AttributeError: it lacks a function.
        """
        free, held = ctypes.CDLL(path), ctypes.PyDLL(path)
        for name, types in functions.items():
            function = self.functions[name] = getattr(free if name in launches else held, name)
            function.argtypes, function.restype = types, c_int

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function by its name.

        Raises:
            StatusError: any other status than success.
        """
        status = self.functions[name](*arguments)
        if status:
            raise self.error(name, status)

    def create(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function that creates something, and return its handle."""
        made = c_void_p()
        self.call(name, byref(made), *arguments)
        return made


L = TypeVar("L")


class Found(Generic[L]):
    """A library that is looked for once, when it is first asked for.

    Args:
        load: gives the library, or raises an error that says why it can't.
        advice: what to do where there is none.
    """

    def __init__(self, load: Callable[[], L], advice: str = "") -> None:
        self._load, self._advice = load, advice
        self.forget()

    def forget(self) -> None:
        """Look for it again when it is next asked for."""
        self._found: L | None = None
        self._why: str | None = None

    def why_not(self) -> str | None:
        """None where there is one, else why not, in words."""
        if self._found is None and self._why is None:
            try:
                self._found = self._load()
            except MISSING as error:
                self._why = f"{error}; {self._advice}" if self._advice else str(error)
        return self._why

    def library(self) -> L:
        """The library.

        Raises:
            RuntimeError: there is none.
        """
        why = self.why_not()
        if self._found is None:
            raise RuntimeError(why)
        return self._found
