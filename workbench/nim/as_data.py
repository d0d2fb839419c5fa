"""Text of strangers made fit for a prompt: it can be read and quoted, and can neither end its place nor speak up.

Three measures together (Hines and others, Defending Against Indirect Prompt Injection Attacks With Spotlighting, 2024,
call the kind delimiting and datamarking): every line carries a mark, the tags around it carry a key that nobody
who wrote the text could know, and what models and this program read as signals is spelled differently.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from workbench.domain.dialogue import NOT_IN_LITERATURE

_MARK = "| "
# Characters that are not seen and can hide words from a person: zero-width, direction, tags, variation selectors.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]+")
_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
_OPENS_TAG = re.compile(r"<(?=[|/!?a-zA-Z<])")
_ENDS_TOKEN = re.compile(r"\|>")
_CITATION = re.compile(
    r"\[\s*(?P<what>(?:\^?\d{1,4}|case)(?:\s*[,;\u2013\u2014-]\s*(?:\^?\d{1,4}|case))*)\s*\]", re.IGNORECASE
)
_TURN_TAG = re.compile(r"\[(/?)\s*(INST|SYS|SYSTEM|USER|ASSISTANT|TOOL)\s*\]", re.IGNORECASE)


def neutral(text: str) -> str:
    """The text without unseen characters, and without what a model reads as a tag, the end of a turn or a citation.

    `[7]` becomes `(ref 7)`, `<tag>` and `<|token|>` lose their first bracket to a typographic one. `< 5 mm` stays.
    """
    text = _CONTROL.sub(" ", _LINE_ENDS.sub("\n", _UNSEEN.sub("", text)))
    text = _ENDS_TOKEN.sub("|\u203a", _OPENS_TAG.sub("\u2039", text))
    text = _TURN_TAG.sub(r"(\1\2)", text)
    text = _CITATION.sub(lambda found: f"(ref {found['what'].strip()})", text)
    return re.sub(re.escape(NOT_IN_LITERATURE), NOT_IN_LITERATURE.replace("_", " ").lower(), text, flags=re.IGNORECASE)


def marked(text: str) -> str:
    """Neutral text, each line after a bar: no line can begin with a role, a heading or a tag."""
    lines = (" ".join(line.split()) for line in neutral(text).split("\n"))
    return "\n".join(_MARK + line for line in lines if line)


def key_for(texts: Iterable[str]) -> str:
    """12 hexadecimal digits that depend on all the texts, so that no text can hold its own key."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    return digest.hexdigest()[:12]


def fenced(name: str, key: str, content: str) -> str:
    """Marked content between tags that carry the key, such as `<passage 1 key=3f9a1c22b7d0>`."""
    return f"<{name} key={key}>\n{content}\n</{name} key={key}>"
