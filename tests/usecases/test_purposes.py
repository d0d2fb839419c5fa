import pytest

from workbench.domain.errors import PurposeRefused
from workbench.domain.nim import Service
from workbench.domain.records import Operator, Purpose
from workbench.telemetry.metrics import Metrics
from workbench.usecases.purposes import Purposes


def test_the_obvious_purpose_is_allowed_and_another_refused_and_counted():
    metrics = Metrics("1")
    purposes = Purposes(Operator(), metrics)
    purposes.require(Service.LLM, Purpose.CHAT)
    assert b'purpose="' not in metrics.text()
    with pytest.raises(PurposeRefused) as refused:
        purposes.require(Service.LLM, Purpose.SEGMENTATION)
    assert "only for chat" in refused.value.message
    assert b'workbench_purpose_refusals_total{purpose="segmentation",service="llm"} 1.0' in metrics.text()


def test_the_operator_decides():
    purposes = Purposes(Operator(purposes={"llm": (Purpose.RETRIEVAL,), "maisi": ()}), Metrics("1"))
    purposes.require(Service.LLM, Purpose.RETRIEVAL)
    for service, purpose in ((Service.LLM, Purpose.CHAT), (Service.MAISI, Purpose.GENERATION)):
        with pytest.raises(PurposeRefused):
            purposes.require(service, purpose)
