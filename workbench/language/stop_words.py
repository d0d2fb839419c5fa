"""Words that say nothing about what a text is about."""

from __future__ import annotations

_WORDS = """
    a about above after again against all almost along already also although always am among an and another any are
    arent around as at away be became because become becomes been before being below between beyond both but by came
    can cannot cant come could couldnt did didnt do does doesnt doing done dont during each either else enough
    especially etc even ever every few first for from further furthermore gave get gets give given gives go goes going
    got had hadnt has hasnt have havent having he hence her here hers herself him himself his how however i if im in
    indeed instead into is isnt it its itself ive just kept know known least less let lets like likely made mainly make
    makes many may maybe me might mine more moreover most mostly much must my myself near nearly neither never
    nevertheless no nor not nothing now of off often on once one only onto or other others otherwise our ours
    ourselves out over own part per perhaps please put quite rather really same say see seem seems seen several
    shall she should shouldnt since so some someone something sometimes somewhat soon still such sure take taken than
    thank thanks that thats the their theirs them themselves then there thereby therefore these they thing things think
    this those though through throughout thus to together too toward towards two under until up upon us use used
    using usually various very via want was wasnt way we well went were werent what whats whatever when whenever where
    whereas wherever whether which while who whole whom whose why will with within without wont would wouldnt yes yet
    you your yours yourself
    """

STOP_WORDS = frozenset(_WORDS.split())

ACRONYMS = frozenset({"ALL", "US", "WHO"})
"""Stop words that mean something in capitals: a leukaemia, ultrasound, the World Health Organization."""
