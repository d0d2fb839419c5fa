"""The mode table of the README, row by row."""

from __future__ import annotations

import pytest

from workbench.domain.nim import First, Mode, Route, Service, route

OWN_ELSE_MOCK = Route(first=First.OWN_NIM, stand_in=True)
OWN_ELSE_ERROR = Route(first=First.OWN_NIM, stand_in=False)
HOSTED_ELSE_MOCK = Route(first=First.HOSTED, stand_in=True)
HOSTED_ELSE_ERROR = Route(first=First.HOSTED, stand_in=False)
MOCK = Route(first=First.NOBODY, stand_in=True)
NO_ENDPOINT_MOCK = Route(first=First.NOBODY, stand_in=True, reason="no hosted endpoint")
NO_ENDPOINT_ERROR = Route(first=First.NOBODY, stand_in=False, reason="no hosted endpoint")


@pytest.mark.parametrize(
    ("mode", "fallback", "llm", "vila_m3", "vista3d_and_maisi"),
    [
        ("local", True, OWN_ELSE_MOCK, OWN_ELSE_MOCK, OWN_ELSE_MOCK),
        ("local", False, OWN_ELSE_ERROR, OWN_ELSE_ERROR, OWN_ELSE_ERROR),
        ("cloud", True, HOSTED_ELSE_MOCK, HOSTED_ELSE_MOCK, NO_ENDPOINT_MOCK),
        ("cloud", False, HOSTED_ELSE_ERROR, HOSTED_ELSE_ERROR, NO_ENDPOINT_ERROR),
        ("mock", True, MOCK, MOCK, MOCK),
        ("mock", False, MOCK, MOCK, MOCK),
    ],
)
def test_a_row_of_the_mode_table(
    mode: str, fallback: bool, llm: Route, vila_m3: Route, vista3d_and_maisi: Route
) -> None:
    def asked(service: Service) -> Route:
        return route(Mode(mode), allow_fallback=fallback, service=service)

    assert asked(Service.LLM) == llm
    assert asked(Service.VILA_M3) == vila_m3
    assert asked(Service.VISTA3D) == vista3d_and_maisi
    assert asked(Service.MAISI) == vista3d_and_maisi
