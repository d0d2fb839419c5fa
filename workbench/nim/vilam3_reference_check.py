"""The contract check of VILA-M3's reference server: one small question about one small picture, in its own protocol."""

from __future__ import annotations

from workbench.domain.progress import Silent
from workbench.nim.check import ANSWER_S, LOOK_S, Steps
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.small_requests import QUESTION, grey_png
from workbench.nim.vilam3_reference import ReferenceServer


class ReferenceCheck:
    """Asks the server through the line that real questions take, so that it never comes between two of them."""

    def __init__(self, server: ReferenceServer) -> None:
        self._server = server

    def __call__(self, steps: Steps) -> None:
        """Take the step `request`. Raises `StepFailed` where it failed."""
        steps.take("request", self._ask)

    def _ask(self) -> tuple[bool | None, str]:
        timeouts = ChatTimeouts(connect_s=LOOK_S, quiet_s=ANSWER_S)
        answer = self._server.ask(QUESTION, grey_png(), "image/png", timeouts=timeouts, progress=Silent())
        count = len(answer.text.split())
        return True, f"It answered {count} word{'' if count == 1 else 's'} about a small picture."
