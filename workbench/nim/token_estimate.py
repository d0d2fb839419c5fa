"""How many tokens a text may take, told without the model's tokenizer and rather too many than too few."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(?P<lower>[A-Z]?[a-z]+)|(?P<upper>[A-Z]+)|(?P<digits>\d{1,3})|(?P<lines>\n+)|(?P<other>[^\s])")
_TWO_BYTES, _THREE_BYTES = 0x0800, 0x10000


def estimated_tokens(text: str) -> int:
    """An upper estimate of a text's tokens for the vocabularies of Llama 2, 3 and their like.

    The rule: a lower-case word takes one token for each 4 letters begun, capitals one for each 2, a number one for each
    3 digits, every other sign one, every character beyond two bytes of UTF-8 as many as its bytes less one. Spaces ride
    along with the word after them. An estimate that is too high costs a passage; one too low costs the answer.
    """
    return sum(_weight(found) for found in _PARTS.finditer(text))


def _weight(found: re.Match[str]) -> int:
    part = found[0]
    if found.lastgroup == "lower":
        return (len(part) + 3) // 4
    if found.lastgroup == "upper":
        return (len(part) + 1) // 2
    if found.lastgroup == "other":
        code = ord(part)
        return 1 if code < _TWO_BYTES else 2 if code < _THREE_BYTES else 3
    return 1
