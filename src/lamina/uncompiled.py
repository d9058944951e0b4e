"""torch without its compiler until something is compiled: importing it takes as long as torch.

torch's optimizers import torch._dynamo for two functions, its shape checks import symbolic_shapes
(and with it sympy) for one. All three mean nothing to code that is not compiled. Until more than
these is asked for, something small stands in the place of either module.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Unloaded(ModuleType):
    """A module that is imported when it is asked for more than this class gives."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of every module by `inspect` and `import`
            raise AttributeError(name)
        return getattr(self.loaded(), name)

    def loaded(self) -> ModuleType:
        """The module itself, from now on in its place."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


class Compiler(Unloaded):
    """torch._dynamo, as far as optimizers that are not compiled need it."""

    @property
    def __path__(self) -> list[str]:  # asked of a package before something inside it is imported
        return list(self.loaded().__path__)

    def disable(self, function: Callable | None = None, recursive: bool = True, *,
                reason: str | None = None, wrapping: bool = True) -> Callable:
        """The function; what others than torch itself want never to be compiled is kept so."""
        if wrapping:
            return self.loaded().disable(function, recursive, reason=reason)
        return function

    @staticmethod
    def graph_break() -> None:
        """Where compiled code would be cut in two."""


class Shapes(Unloaded):
    """torch.fx.experimental.symbolic_shapes, as far as shapes that are numbers need it."""

    def expect_true(self, condition: Any, skip: int = 0) -> bool:
        """Whether it holds."""
        return condition if isinstance(condition, bool) else \
            self.loaded().expect_true(condition, skip)


def postpone_compiler() -> None:
    """Let the compiler be imported where it is used; for a process that is all ours."""
    for stand_in in (Compiler("torch._dynamo"), Shapes("torch.fx.experimental.symbolic_shapes")):
        sys.modules.setdefault(stand_in.__name__, stand_in)
