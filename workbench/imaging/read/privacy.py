"""What may be said of a series without saying who the patient is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.dataset import Dataset

from workbench.imaging.read.elements import value_of

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "InstitutionName",
    "StationName",
    "PatientAddress",
)
"""Attributes whose words must not be found in a description. Read for this comparison only, and dropped."""

_LONGEST = 64
_SAYS_NOTHING = frozenset({"ct"})
"""Words of research ids such as “STUDY-CT-0001” that name nobody."""
_WORD = re.compile(r"[^\W_]+")
_NUMBERS_OF_PEOPLE = re.compile(r"\d{5,}|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d+(?:\.\d+){3,}")
"""Long numbers, dates and UIDs: none of them says what a series is."""


def clean_description(data: Dataset) -> str:
    """The series description, printable, at most 64 characters; empty where it could point to a person.

    It is dropped whole when it shares a word (two characters or more, case ignored) with a name or id in the
    header, or holds a long number, a date or a UID.
    """
    given = "".join(each if each.isprintable() else " " for each in str(value_of(data, "SeriesDescription") or ""))
    text = " ".join(given.split())
    if _NUMBERS_OF_PEOPLE.search(text):
        return ""
    if names_in(text, (str(value_of(data, name) or "") for name in IDENTIFYING)):
        return ""
    return text[:_LONGEST].strip()


def names_in(text: str, identities: Iterable[str]) -> bool:
    """Whether `text` holds a word of one of the identities: as a word, or within one from four letters on."""
    lower = text.casefold()
    words = set(_WORD.findall(lower))
    for identity in identities:
        for part in _WORD.findall(identity.casefold()):
            if part in _SAYS_NOTHING:
                continue
            if (len(part) >= 2 and part in words) or (len(part) >= 4 and part in lower):
                return True
    return False
