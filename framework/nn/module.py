"""``Module``: the base of every layer and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from framework.errors import MissingAttribute
from framework.nn import hooks
from framework.nn.conversion import Convertible
from framework.nn.hooks import Hookable, Hooks, any_global
from framework.nn.hooks import register_module_backward_hook as register_module_backward_hook
from framework.nn.hooks import register_module_buffer_registration_hook as register_module_buffer_registration_hook
from framework.nn.hooks import register_module_forward_hook as register_module_forward_hook
from framework.nn.hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from framework.nn.hooks import register_module_full_backward_hook as register_module_full_backward_hook
from framework.nn.hooks import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from framework.nn.hooks import register_module_module_registration_hook as register_module_module_registration_hook
from framework.nn.hooks import (
    register_module_parameter_registration_hook as register_module_parameter_registration_hook,
)
from framework.nn.members import Members
from framework.nn.parameter import Buffer, Parameter
from framework.nn.state import Stateful
from framework.tensor import Tensor

_TABLES = (
    "_hooked", "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class Module(Members, Stateful, Convertible, Hookable):
    """The base class of layers and models: it keeps parameters, buffers and other modules under their attribute names.

    A subclass sets its parts in ``__init__`` after ``super().__init__()`` and computes in ``forward``. Calling the
    module calls ``forward``. An error raised inside names the dotted path of the layer it came from.

    Attributes:
        training: True after ``train()`` (and at first), False after ``eval()``.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.first = nn.Linear(4, 8)
        ...         self.last = nn.Linear(8, 2)
        ...
        ...     def forward(self, x):
        ...         return self.last(self.first(x).relu())
    """

    dump_patches: ClassVar[bool] = False
    call_super_init: ClassVar[bool] = False

    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            got = f"{len(args)} positional" if args else f"keyword argument {next(iter(kwargs))!r}"
            raise TypeError(f"{type(self).__name__}.__init__: Module.__init__() takes no arguments, got {got}")
        state = self.__dict__
        state["training"] = True
        state["_parameters"], state["_buffers"], state["_modules"] = {}, {}, {}
        state["_non_persistent_buffers_set"] = set()
        for name in _TABLES:
            state[name] = Hooks()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # The call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked or any_global:
                return hooks.call(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            _locate(self, error)
            raise

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass writes it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # Registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Keep a parameter under ``name``, which becomes an attribute; None reserves the name."""
        self._check_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"register_parameter: cannot assign {type(param).__name__!r} object to parameter {name!r} "
                    "(nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"register_parameter: cannot assign the non-leaf tensor {name!r}; parameters must be leaves: store "
                    "the leaf and compute the tensor in forward()"
                )
            param = hooks.registered(hooks.parameter_registration, self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is not trained under ``name``, such as a running mean.

        Args:
            name: becomes an attribute.
            tensor: None reserves the name; it is then left out of the state dict.
            persistent: whether the state dict includes it.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None:
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"register_buffer: cannot assign {type(tensor).__name__!r} object to buffer {name!r} "
                    "(Tensor or None required)"
                )
            tensor = hooks.registered(hooks.buffer_registration, self, name, tensor)
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Keep a child module under ``name``, which becomes an attribute."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {type(module).__name__} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = hooks.registered(hooks.module_registration, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as ``add_module``."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: Any, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"register_{kind}: {kind} name should be a string, got {type(name).__name__}")
        if name == "" or "." in name:
            raise KeyError(f"register_{kind}: {kind} name can't be empty or contain '.', got {name!r}")
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"register_{kind}: attribute {name!r} already exists")

    # Attributes

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        for table in ("_modules", "_parameters", "_buffers"):
            if table in state and name in state[table]:
                return state[table][name]
        raise MissingAttribute(f"{type(self).__name__!r} object has no attribute {name!r}", name, self)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            self._displace(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in state:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._displace(name, "_modules")
            state["_modules"][name] = hooks.registered(hooks.module_registration, self, name, value)
        elif isinstance(value, Tensor):
            self._set_tensor(name, value)
        elif value is not None or "_parameters" not in state:
            if "_parameters" in state:
                for table, kind in (("_parameters", "parameter"), ("_modules", "child module"), ("_buffers", "buffer")):
                    if name in state[table]:
                        raise _cannot_assign(value, kind, name)
            object.__setattr__(self, name, value)
        else:
            for table in ("_parameters", "_modules", "_buffers"):
                if name in state[table]:
                    state[table][name] = None
                    return
            object.__setattr__(self, name, value)

    def _set_tensor(self, name: str, value: Tensor) -> None:
        state = self.__dict__
        if name in state.get("_parameters", ()):
            raise _cannot_assign(value, "parameter", name)
        if name in state.get("_modules", ()):
            raise _cannot_assign(value, "child module", name)
        if isinstance(value, Buffer):
            self._displace(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in state.get("_buffers", ()):
            state["_buffers"][name] = hooks.registered(hooks.buffer_registration, self, name, value)
        else:
            object.__setattr__(self, name, value)

    def _displace(self, name: str, keep: str) -> None:
        """Take a name out of the attributes and of every table but one."""
        state = self.__dict__
        state.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != keep and table in state:
                state[table].pop(name, None)
        if keep != "_buffers" and "_non_persistent_buffers_set" in state:
            state["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = list(object.__dir__(self))
        for table in ("_parameters", "_buffers", "_modules"):
            names += self.__dict__.get(table, ())  # none yet in a module that is being made
        return sorted({name for name in names if not name[0].isdigit()})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # Modes

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training (dropout acts, batch norm learns) or out of it."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for module in self._modules.values():
            if module is not None:
                module.train(mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of every parameter: ``requires_grad_(False)`` freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient, or fill it with zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                if set_to_none:
                    parameter.grad = None
                else:
                    parameter.grad = parameter.grad.detach()
                    parameter.grad.zero_()

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below this one, then on this one, as for initialisation."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # Words

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """What a subclass prints between the parentheses of its line."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"


def indented(text: str) -> str:
    """A text whose lines after the first stand two columns further in."""
    return text.replace("\n", "\n  ")


def _cannot_assign(value: Any, kind: str, name: str) -> TypeError:
    wanted = {"parameter": "nn.Parameter", "child module": "nn.Module", "buffer": "Tensor"}[kind]
    return TypeError(f"cannot assign {type(value).__name__!r} object to {kind} {name!r} ({wanted} or None expected)")


@contextmanager
def located(module: Module) -> Iterator[None]:
    """A call of a module by another way than calling it: errors name its path all the same."""
    try:
        yield
    except Exception as error:
        _locate(module, error)
        raise


def _locate(module: Module, error: Exception) -> None:
    """Add the path of the layer that raised to an error's message, as it passes through the enclosing modules."""
    found = error.__dict__.get("_layer")
    if found is None:
        error._layer = (module, "", type(module).__name__, error.args)  # type: ignore[attr-defined]
        return
    inner, path, kind, args = found
    if inner is module:
        return
    name = next((name for name, m in module.named_modules() if m is inner), None)
    if name is None:  # called, but not registered: a path begins anew here
        error._layer = (module, "", type(module).__name__, error.args)  # type: ignore[attr-defined]
        return
    path = f"{name}.{path}" if path else name
    error._layer = (module, path, kind, args)  # type: ignore[attr-defined]
    where = f"in {path} ({kind})"
    plain = len(args) == 1 and isinstance(args[0], str) and str(error).startswith(str(error.args[0]))
    if plain and type(error).__module__.split(".")[0] in ("builtins", "framework"):
        error.args = (f"{where}: {args[0]}",)
    else:  # an error whose arguments mean something to its catcher
        notes = error.__dict__.setdefault("__notes__", [])
        notes[:] = [note for note in notes if not note.startswith("in ")]
        error.add_note(where)
