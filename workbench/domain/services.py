"""Who answers in one mode, all services together."""

from __future__ import annotations

from typing import Protocol

from workbench.domain.dialogue import Talker
from workbench.domain.image_dialogue import ImageTalker
from workbench.domain.library import Embedder, Reranker
from workbench.domain.nim import CheckReport, NimStatus, Segmenter, Service, Synthesizer


class Services(Protocol):
    """Who answers in one mode."""

    @property
    def segmenter(self) -> Segmenter:
        """Who segments."""

    @property
    def talker(self) -> Talker:
        """Who answers from passages."""

    @property
    def image_talker(self) -> ImageTalker:
        """Who answers about pictures."""

    @property
    def embedder(self) -> Embedder | None:
        """The embedding NIM, None where its address is not set or nobody is asked."""

    @property
    def reranker(self) -> Reranker | None:
        """The reranking NIM, None where its address is not set or nobody is asked."""

    @property
    def synthesizer(self) -> Synthesizer:
        """Who makes synthetic CTs."""

    def statuses(self) -> tuple[NimStatus, ...]:
        """`ROUTED`, then those of `HELPERS` that are configured. Never raises."""

    def settled(self) -> bool:
        """Whether `statuses` answers at once; asking starts whatever look is due."""

    def checkable(self) -> tuple[Service, ...]:
        """The services that a contract check would ask; none where nobody is asked."""

    def check(self, service: Service) -> CheckReport:
        """Run the contract check of one service, told in its status while it runs. Never raises."""
