"""What a module holds: walking through its modules, parameters and buffers, and finding them by dotted name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from framework.errors import MissingAttribute
from framework.nn.parameter import Parameter
from framework.tensor import Tensor

if TYPE_CHECKING:
    from framework.nn.module import Module


class Members:
    """The part of ``Module`` that walks through what it holds."""

    _modules: dict[str, Any]
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """This module and all below it, with their dotted names, parents first. A shared one comes once."""
        memo = set() if memo is None else memo
        if self not in memo:
            if remove_duplicate:
                memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, get: Callable[[Any], Any], prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        ):
            for name, value in get(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, this module's first; a shared one comes once."""
        return self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, as an optimizer wants them."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; the module itself for ``""``.

        Raises:
            AttributeError: it names the first part of the path that is not there.
        """
        module: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise MissingAttribute(
                    f"get_submodule: {type(module).__name__} has no attribute {part!r}", part, module
                )
            module = getattr(module, part)
            if not isinstance(module, Members):
                raise AttributeError(f"get_submodule: {part!r} in {target!r} is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path. With ``strict`` there must be one already."""
        if not isinstance(module, Members):
            raise ValueError(f"set_submodule: expected a Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("set_submodule: cannot set the module without a target name")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise MissingAttribute(f"set_submodule: {type(parent).__name__} has no attribute {name!r}", name, parent)
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Members):
            raise AttributeError(f"set_submodule: {name!r} is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._member(target, Parameter, "get_parameter", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        if name not in self.get_submodule(path)._buffers:
            self._member(target, Tensor, "get_buffer", "a buffer")
            raise AttributeError(f"get_buffer: {name!r} is not a buffer")
        return self.get_submodule(path)._buffers[name]

    def _member(self, target: str, kind: type[Any], who: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise MissingAttribute(f"{who}: {type(module).__name__} has no attribute {name!r}", name, module)
        value = getattr(module, name)
        if not isinstance(value, kind):
            raise AttributeError(f"{who}: {name!r} is not {what}")
        return value
