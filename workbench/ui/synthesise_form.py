"""The fixed parts of the Synthesize tab as HTML."""

from __future__ import annotations

from workbench.assets import asset

FORM = asset("web", "synthesise", "form.html").read_text("utf-8")
"""The form; scripts beside it fill it and hold it against the rules."""

EMPTY = """<div class="wb-empty"><h2>Ask MAISI for a CT</h2>
<p>Choose a region, organs and a size. What breaks a rule is said beside its field before anything is sent, with the
nearest request that MAISI takes one click away.</p>
<p>The CT that comes back opens here with its own labels. It is no patient: every picture and file of it says
SYNTHETIC.</p>
<p class="wb-quiet">Research use. Not for clinical decisions.</p></div>"""

RESULT_SWITCH = """<div class="syn-switch" role="group" aria-label="Result"><button type="button" data-side="structures"
aria-pressed="true">Structures</button><button type="button" data-side="check" aria-pressed="false">Check</button>
<button type="button" data-side="gallery" aria-pressed="false">Gallery</button></div>"""

NARROW_SWITCH = """<div class="syn-switch syn-narrow" role="group" aria-label="Panel"><button type="button"
data-panel="request" aria-pressed="true">Request</button><button type="button" data-panel="result"
aria-pressed="false">Result</button></div>"""
