"""Asking before anything leaves this machine."""

from __future__ import annotations

import pytest

from workbench.domain.case import Visitor
from workbench.domain.errors import ConsentNeeded
from workbench.usecases.consent import Consents, Leaving

ADA, BEN = Visitor(owner="ada"), Visitor(owner="ben")


def test_a_person_is_asked_once_a_visit_and_a_kind() -> None:
    consents = Consents()
    with pytest.raises(ConsentNeeded) as asked:
        consents.granted(ADA, Leaving.TEXT, where="integrate.api.nvidia.com")
    assert asked.value.what == "text"
    assert asked.value.where == "integrate.api.nvidia.com"

    consents.say(ADA, Leaving.TEXT, granted=True)

    assert consents.granted(ADA, Leaving.TEXT, where="there")
    with pytest.raises(ConsentNeeded):
        consents.granted(ADA, Leaving.CASE, where="there")


def test_one_persons_answer_is_not_anothers() -> None:
    consents = Consents()
    consents.say(ADA, Leaving.TEXT, granted=True)

    with pytest.raises(ConsentNeeded):
        consents.granted(BEN, Leaving.TEXT, where="there")


def test_declining_is_remembered_and_can_be_taken_back() -> None:
    consents = Consents()
    consents.say(ADA, Leaving.IMAGE, granted=False)
    assert not consents.granted(ADA, Leaving.IMAGE, where="there")

    consents.say(ADA, Leaving.IMAGE, granted=True)
    assert consents.granted(ADA, Leaving.IMAGE, where="there")


def test_a_visit_that_stayed_away_is_asked_again() -> None:
    consents = Consents(kept_s=-1.0)
    consents.say(ADA, Leaving.TEXT, granted=True)

    with pytest.raises(ConsentNeeded):
        consents.granted(ADA, Leaving.TEXT, where="there")
