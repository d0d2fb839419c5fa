"""Numbers and snippets of HTML as the page writes them: escaped, units always, figures that line up."""

from __future__ import annotations

import html
from collections.abc import Sequence

THIN = "\u202f"


def esc(text: object) -> str:
    """Text made safe for HTML."""
    return html.escape(str(text), quote=True)


def grouped(value: float, decimals: int = 0) -> str:
    """`1 860.6`: thousands apart by a thin space, a true minus sign."""
    return f"{value:,.{decimals}f}".replace(",", THIN).replace("-", "\u2212")


def millilitres(volume_ml: float) -> str:
    """`1 860.6` mL: one decimal from 10 mL, two below."""
    return grouped(volume_ml, 1 if volume_ml >= 10 else 2)


def times(values: Sequence[float], decimals: int) -> str:
    """`0.80 × 0.80 × 1.50`."""
    return " × ".join(grouped(each, decimals) for each in values)


def trouble(title: str, message: str, hint: str | None = None, *, trace: str | None = None) -> str:
    """An error box: what happened, why, what to do, and the id under which the logs tell of it."""
    cure = f'<p class="wb-hint">{esc(hint)}</p>' if hint else ""
    found = f'<p class="wb-quiet">Trace <code>{esc(trace)}</code></p>' if trace else ""
    return f'<div class="wb-trouble" role="alert"><strong>{esc(title)}</strong><p>{esc(message)}</p>{cure}{found}</div>'


def remarks(items: Sequence[str], kind: str) -> str:
    """A list of notes or warnings; nothing where there are none."""
    if not items:
        return ""
    word = {"warning": "Warning", "note": "Note"}[kind]
    rows = "".join(f'<li><span class="wb-tag">{word}</span> {esc(each)}</li>' for each in items)
    return f'<ul class="wb-remarks wb-{kind}">{rows}</ul>'
