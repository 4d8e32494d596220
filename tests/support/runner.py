"""The type of the fixture `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class Run(Protocol):
    """Runs a coroutine to its end on the module's event loop."""

    def __call__(self, coro: Coroutine[Any, Any, Result], /) -> Result: ...
