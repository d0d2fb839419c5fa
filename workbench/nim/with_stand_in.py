"""Who answers when a NIM cannot be used: a stand-in, which says why, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, NoReturn, TypeVar

from workbench.domain.errors import NimUnavailable
from workbench.domain.nim import Nim, NimStatus
from workbench.domain.provenance import Result

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT", bound=Result)


class WithStandIn(Generic[RequestT, ResultT]):
    """Asks `real`; where that cannot be used, `stand_in`, and writes the reason into the result's provenance.

    Only `NimUnavailable` is answered by the stand-in. A refused request or a malformed reply is the person's to see.
    """

    def __init__(self, real: Nim[RequestT, ResultT], stand_in: Nim[RequestT, ResultT]) -> None:
        self._real = real
        self._stand_in = stand_in

    def status(self) -> NimStatus:
        """The real one's view, which knows that a mock stands in."""
        return self._real.status()

    def run(self, request: RequestT, /) -> ResultT:
        """The real answer, or the stand-in's with the reason."""
        try:
            return self._real.run(request)
        except NimUnavailable as error:
            reason = error.message
        result = self._stand_in.run(request)
        return replace(result, provenance=replace(result.provenance, stands_in_because=reason))


class Refusing(Generic[RequestT]):
    """Where nobody real can be asked: `run` raises the error that `because` makes."""

    def __init__(self, because: Callable[[], NimUnavailable], status: Callable[[], NimStatus]) -> None:
        self._because = because
        self._status = status

    def status(self) -> NimStatus:
        """What a request would get."""
        return self._status()

    def run(self, request: RequestT, /) -> NoReturn:
        """Raise `NimUnavailable`."""
        raise self._because()
