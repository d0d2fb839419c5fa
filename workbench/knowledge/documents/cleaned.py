"""Bytes to text, and text to what can be shown, stored and quoted."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress

from workbench.knowledge.documents.nouns import UnreadableDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters but tab and line ends, halves of surrogate pairs, invisible marks of direction and width,
# and code points that are no characters.
_NOT_TEXT = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)
_SOFT_HYPHEN = "\xad"
_MOST_CONTROLS = 0.01
_FEW_CONTROLS = 4
_BINARY_WITHOUT = frozenset(b"\t\n\r\f\x1b\x85")
YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def clean(text: str) -> str:
    """Text without what cannot be seen; letters composed (NFC), so that a search meets them in one form."""
    return unicodedata.normalize("NFC", _NOT_TEXT.sub("", text.replace(_SOFT_HYPHEN, "")))


def folded(text: str) -> str:
    """Clean text in one line, white space folded."""
    return " ".join(clean(text).split())


def short(text: str, most: int) -> str:
    """Folded, and cut at a word where it is longer than `most` characters."""
    line = folded(text)
    if len(line) <= most:
        return line
    return line[:most].rsplit(" ", 1)[0].rstrip(" ,;:") or line[:most]


def decoded(raw: bytes, *, declared: str | None = None) -> tuple[str, str | None]:
    """The text of a file, and a note where its encoding had to be guessed.

    A byte order mark is believed first, then that it is UTF-8, then what the file declares of itself.

    Raises:
        UnreadableDocument: it is no text.
    """
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return _strictly(raw, encoding), None
    if _looks_like_utf16(raw):
        return _strictly(raw, "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"), "Its encoding was guessed as UTF-16."
    if _is_binary(raw):
        raise UnreadableDocument("This is not a text: it holds bytes that no text has.")
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    if declared is not None and declared.lower() not in ("utf-8", "utf8", "utf-7"):
        with suppress(LookupError, ValueError):  # no encoding of text, or not the one of this text
            return raw.decode(declared), None
    try:
        text, guess = raw.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, guess = raw.decode("latin-1"), "Latin-1"
    return text, f"It is not UTF-8; its encoding was guessed as {guess}. Look whether accented letters are right."


def web_address(text: object) -> str | None:
    """The text if it is an http address that can be linked to."""
    if not isinstance(text, str):
        return None
    address = text.strip()
    return address if re.fullmatch(r"https?://[^\s<>\"'\\^`{|}]{1,900}", address) else None


def year_of(value: object) -> int | None:
    """A year between 1800 and 2099, from a number, a date or a text that begins with one."""
    if isinstance(value, bool):
        return None
    found = YEAR.search(str(value)[:40]) if isinstance(value, int | float | str) or hasattr(value, "year") else None
    return int(found[1]) if found else None


def texts(values: Iterable[object], *, most: int = 50, most_characters: int = 1000) -> tuple[str, ...]:
    """Those of the values that are texts, each in one line."""
    lines = (short(value, most_characters) for value in values if isinstance(value, str))
    return tuple(line for line in lines if line)[:most]


def _strictly(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            "The text is damaged: it does not keep to the encoding that it begins with.",
            hint="Save it as UTF-8 and add it again.",
        ) from error


def _looks_like_utf16(raw: bytes) -> bool:
    """Western text in UTF-16 without its mark: every second byte is zero, the others hardly ever."""
    head = raw[:2000]
    if len(head) < 8 or len(raw) % 2:
        return False
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    return max(even, odd) > 0.7 * half and min(even, odd) < 0.02 * half


def _is_binary(raw: bytes) -> bool:
    head = raw[:65_536]
    odd = sum(head.count(each) for each in range(32) if each not in _BINARY_WITHOUT)
    return b"\0" in raw or odd > max(_FEW_CONTROLS, _MOST_CONTROLS * len(head))
