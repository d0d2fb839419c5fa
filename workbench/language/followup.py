"""Follow-up questions: which of them lean on the question before, and a rule that lets them stand by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.domain.dialogue import Turn
from workbench.language.terms import analyse, spans

_FARTHEST = 4
"""How many questions back the chain of follow-ups is followed."""

_MOST_WORDS = 12
"""The most words taken over from the questions before."""

_FEW_TERMS = 3
_POINTING = re.compile(
    r"""\b(?:
        it(?:s|self)? | they | them(?:selves)? | their | theirs
        | (?:this|that|these|those)(?=\s*(?:$|[?.,;:!)])
            |\s+(?:is|are|was|were|be|mean|means|happen|happens|change|changes|differ|differs|matter|matters|one|ones
                |value|values|number|numbers|range|ranges|structure|structures|organ|organs|finding|findings
                |limit|limits|rule|rules|method|model|phase|artefact|artefacts|artifact|artifacts|disease|lesion|lesions
                |case\s+different)\b)
        | the\s+(?:same|other|others|latter|former|first\s+one|second\s+one|last\s+one)
        | (?:which|what)\s+ones? | (?:any|some|all|both|each|neither|none)\s+of\s+(?:it|them|these|those)
        | such | there(?=\s*(?:$|[?.,;:!]))
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|would|will|should|can|could|may|might|does|makes?)?\s*it\s+(?:(?:be|is|also|ever|really)\s+)*"
    r"(?:possible|necessary|allowed|safe|better|best|worth|true|common|important|useful|permitted|recommended|"
    r"required|likely|make\s+sense)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"\s*(?:and|or|but|also|then|so|what\s+about|how\s+about|what\s+if|what\s+else|anything\s+else|why|how\s+so|"
    r"how\s+come|in|for|with|without|at|on|by|compared|versus|vs\.?|only|even|instead|not)\b",
    re.IGNORECASE,
)


def leans_on_the_one_before(question: str) -> bool:
    """Whether a question cannot be searched for by itself.

    It points back (“it”, “these values”) before it has named what it speaks of, opens like the second half of a
    question (“and in children?”), or holds one word that says anything, or none. English only: a rule, not a parser.
    """
    terms = set(analyse(question))
    if len(terms) <= 1:
        return True
    if len(terms) <= _FEW_TERMS and _OPENING.match(question):
        return True
    expletive = [found.span() for found in _EXPLETIVE.finditer(question)]
    for found in _POINTING.finditer(question):
        if any(start <= found.start() < end for start, end in expletive):
            continue
        # “Why do the CT numbers of the liver change with its fat?” names the liver itself.
        if len(set(analyse(question[: found.start()]))) < _FEW_TERMS:
            return True
    return False


def self_contained(question: str, history: Sequence[Turn]) -> str:
    """The question with what it leans on: the words of the question before, in brackets after it.

    `history` is oldest first. A question that stands by itself, or has none before it, comes back as it is.
    """
    asked = [turn.text for turn in history if turn.role == "user" and turn.text.strip()]
    return _completed(question, asked[-_FARTHEST:])


def _completed(question: str, before: Sequence[str]) -> str:
    if not before or not leans_on_the_one_before(question):
        return question
    words = _new_words(_completed(before[-1], before[:-1]), known=set(analyse(question)))
    return f"{question.strip()} ({' '.join(words)})" if words else question


def _new_words(text: str, *, known: set[str]) -> list[str]:
    """The words of a text whose terms are not known yet, as they are written there."""
    words: list[str] = []
    taken_to = 0
    known = set(known)
    for term, start, end in sorted(spans(text), key=lambda each: (each[1], -each[2])):
        if start < taken_to or term in known:
            continue
        known.add(term)
        known.update(analyse(text[start:end]))
        words.append(text[start:end])
        taken_to = end
    return words[:_MOST_WORDS]
