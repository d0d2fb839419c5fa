"""Answers as the scripted server tells them: two sources about fat and the liver."""

from __future__ import annotations

from typing import Any

from tests.ui.chat_app import Step, answer, found, passage, sentence

FAT = "Fat lies between -120 and -90 HU. Muscle is denser."
LIVER = "The liver has 55 to 65 HU without contrast."
SAID = "Fat lies between -120 and -90 HU [1]. The liver has 60 HU [2]."
SENTENCES = (
    sentence("Fat lies between -120 and -90 HU [1].", SAID, 1),
    sentence("The liver has 60 HU [2].", SAID, 2, coverage=0.66),
)


def cited(number: int, text: str, *highlights: tuple[int, int], **more: Any) -> dict[str, Any]:
    return passage(number, text, n=number, highlights=[list(each) for each in highlights], **more)


def script(said: dict[str, Any], *tokens: str, rewritten: str | None = None, **more: Any) -> list[Step]:
    """The events of an answer that ends well."""
    told = {"is_mock": said["is_mock"], "model": said["model"], "evidence": said["evidence"], **more}
    passages = (passage(1, FAT), passage(2, LIVER), passage(3, "Bone has more than 300 HU."))
    return [
        ("searching", {"rewritten": rewritten}),
        found(*passages, **told),
        *(("token", {"text": each}) for each in tokens),
        ("done", {**said, "rewritten": rewritten}),
    ]


def two_sources(**more: Any) -> dict[str, Any]:
    said = {"citations": [cited(1, FAT, (0, 32)), cited(2, LIVER)], "sentences": list(SENTENCES), **more}
    return answer(SAID, **said)
