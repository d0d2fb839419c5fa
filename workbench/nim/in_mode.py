"""The mode in which a result came about, written into its provenance."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar

from workbench.domain.nim import Mode, Nim, NimStatus
from workbench.domain.provenance import Result

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT", bound=Result)


class InMode(Generic[RequestT, ResultT]):
    """Asks `inner` and notes the mode; where a visit switched it, the process's own mode beside it."""

    def __init__(self, inner: Nim[RequestT, ResultT], mode: Mode, *, process_mode: Mode) -> None:
        self._inner = inner
        self._noted = {"mode": mode.value}
        if mode is not process_mode:
            self._noted["switched_from"] = process_mode.value

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._inner.status()

    def run(self, request: RequestT, /) -> ResultT:
        """The answer, with the mode in its provenance."""
        result = self._inner.run(request)
        made = result.provenance
        return replace(result, provenance=replace(made, parameters={**made.parameters, **self._noted}))
