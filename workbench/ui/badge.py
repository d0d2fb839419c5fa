"""The origin badge, in sight on every tab."""

from __future__ import annotations

from workbench.domain.badge import badge_of
from workbench.domain.case import Case
from workbench.ui.words import esc


def badge_html(case: Case | None) -> str:
    """The badge: shape, word and colour say the kind; the text says what it is of."""
    badge = badge_of(case)
    word = badge.mark or ""
    made = case.segmentation.provenance if case and case.segmentation else None
    because = f' title="{esc(made.stands_in_because)}"' if made and made.stands_in_because else ""
    return (
        f'<span class="wb-badge" data-kind="{badge.kind}" data-mock="{str(badge.is_mock).lower()}" '
        f'data-synthetic="{str(badge.is_synthetic).lower()}"{because}>'
        f"<b>{word}</b> {esc(badge.text)}</span>"
    )
