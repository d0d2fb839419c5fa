"""Two ways of asking the library: the workbench that runs on this machine, or one of this command's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, Self

from workbench.api.chat import question_of
from workbench.api.chat_answers import event
from workbench.api.chat_schemas import QueryBody
from workbench.cli.in_process import OwnWorkbench
from workbench.cli.over_rest import OverRest
from workbench.domain.errors import WorkbenchError
from workbench.usecases.access import LOCAL

_STARTER_S = 600.0

Event = tuple[str, dict[str, Any]]


class AskingWay(Protocol):
    """How a question becomes the published events."""

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """`searching`, `passages`, `token` …, `done`; an error is raised."""


class AskOverRest(OverRest):
    """Asks the running workbench, which owns the library."""

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """Read server-sent events as they come."""
        yield from self.events("/query", body)


class AskInProcess(OwnWorkbench):
    """Questions to the library in this process."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._workbench.starter.begin()
        state = self._workbench.starter.wait(_STARTER_S)
        if state.state == "failed":
            raise WorkbenchError(f"The starter library could not be indexed: {state.why}")
        return self

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """The same events without a wire."""
        question = question_of(QueryBody.model_validate(body))
        under_way = self._workbench.chat.ask(LOCAL, question, asks_consent=False)
        try:
            for told in under_way:
                yield event(told)
        finally:
            under_way.stop()
