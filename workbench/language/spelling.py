"""One spelling for words that medical English writes in several ways, so that either finds the other.

The folded form is for comparing only and is never shown. Folding is applied to questions and passages alike, so an
invented spelling does no harm; only two different words that fold to one would.
"""

from __future__ import annotations

import re
import unicodedata

HYPHENS = "-\u2010\u2011\u2012\u2013\u2212"
APOSTROPHES = "'\u2019\u02bc\u2032"
INVISIBLE = "\u00ad\u200b\u200c\u200d\ufeff\x02"
"""Soft hyphen, zero-width characters, and the mark that a PDF leaves where a word was broken at a line's end."""

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_MICRO = re.compile(r"^μ(?=(?:m|g|l|s|v|w|sv|gy|mol|ci|bq)$)")
_DROPPED = str.maketrans("", "", INVISIBLE + APOSTROPHES)

_SPELLINGS = {
    "ageing": "aging", "aluminium": "aluminum", "artefact": "artifact", "artefacts": "artifacts", "defence": "defense",
    "disc": "disk", "discs": "disks", "fulfil": "fulfill", "gramme": "gram", "grammes": "grams", "grey": "gray",
    "greys": "grays", "haem": "heme", "judgement": "judgment", "licence": "license", "manoeuvre": "maneuver",
    "manoeuvres": "maneuvers", "mould": "mold", "moulds": "molds", "offence": "offense", "practise": "practice",
    "practised": "practiced", "practising": "practicing", "programme": "program", "programmes": "programs",
    "sceptical": "skeptical",
}  # fmt: skip

UNITS = {"hu": "hounsfield"}
"""The one unit of the field that is as often written out as abbreviated."""

_PLURALS = {
    "apices": "apex", "appendices": "appendix", "atria": "atrium", "axes": "axis", "bacilli": "bacillus",
    "bacteria": "bacterium", "bronchi": "bronchus", "calculi": "calculus", "calyces": "calyx", "children": "child",
    "corpora": "corpus", "cortices": "cortex", "criteria": "criterion", "diverticula": "diverticulum",
    "emboli": "embolus", "feet": "foot", "femora": "femur", "foci": "focus", "foramina": "foramen", "fungi": "fungus",
    "ganglia": "ganglion", "glomeruli": "glomerulus", "hila": "hilum", "humeri": "humerus", "indices": "index",
    "infundibula": "infundibulum", "larynges": "larynx", "lumina": "lumen", "maxima": "maximum", "media": "medium",
    "men": "man", "menisci": "meniscus", "minima": "minimum", "mitochondria": "mitochondrion", "nuclei": "nucleus",
    "ostia": "ostium", "ova": "ovum", "pelves": "pelvis", "phalanges": "phalanx", "phenomena": "phenomenon",
    "radii": "radius", "rami": "ramus", "recti": "rectus", "septa": "septum", "sera": "serum", "spectra": "spectrum",
    "stimuli": "stimulus", "strata": "stratum", "sulci": "sulcus", "teeth": "tooth", "testes": "testis",
    "thoraces": "thorax", "thrombi": "thrombus", "uteri": "uterus", "vertices": "vertex", "villi": "villus",
    "women": "woman",
}  # fmt: skip

_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=..)ae$", "a"),  # vertebrae
        (r"ae|oe", "e"),  # the Greek roots: haematoma, oedema, paediatric, anaemia
        (r"leuc", "leuk"),
        (r"sulph", "sulf"),
        (r"(tum|col|behavi|fav|vap|od|hum|lab|neighb|harb|rig|hon|rum)our", r"\1or"),
        (r"(cent|fib|lit|met|calib|theat|lust|spect|tit)re(s?)$", r"\1er\2"),
        (r"(cent|calib|tit)red$", r"\1ered"),
        (r"(cata|ana|dia|homo|mono)logue(s?)$", r"\1log\2"),
        (r"(label|model|signal|channel|tunnel|level|cancel|travel|counsel|total|dial)l(ed|ing|ers?)$", r"\1\2"),
        (r"(?<=..[iy])z(?=e|ing|ation|able)", "s"),  # -ize and -yze
        (r"omata$", "oma"),
        (r"(?<=...)sis$", "ses"),  # the stemmer keeps metastasis and metastases apart
    )
)


def plain(word: str) -> str:
    """A word in lower case without marks and invisible characters; Greek letters by name, the µ of a unit as u."""
    text = unicodedata.normalize("NFKC", word).lower().translate(_DROPPED)
    if text.isascii():
        return text
    text = _MICRO.sub("u", text)
    bare = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(_GREEK.get(each, each) for each in bare).replace("æ", "ae").replace("œ", "oe").replace("ø", "o")


def folded(word: str) -> str:
    """British and American spellings, Latin and Greek plurals, and a unit's names, in one form. `word` is plain."""
    word = _SPELLINGS.get(word) or _PLURALS.get(word) or UNITS.get(word) or word
    if len(word) < 5 or not word.isalpha():
        return word
    for pattern, replacement in _RULES:
        word = pattern.sub(replacement, word)
    return word
