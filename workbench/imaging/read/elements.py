"""Values of DICOM attributes by keyword, fast: pydicom's own look-up by keyword takes most of a header's time."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag


def value_of(data: Dataset, keyword: str, default: Any = None) -> Any:
    """The value of the attribute, `default` where the data set lacks it."""
    try:
        return data[_tag(keyword)].value
    except KeyError:
        return default


@cache
def _tag(keyword: str) -> BaseTag:
    number = tag_for_keyword(keyword)
    if number is None:
        raise ValueError(f"no DICOM attribute is called {keyword}")
    return BaseTag(number)
