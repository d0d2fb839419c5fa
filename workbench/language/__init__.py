"""How English medical text is read by code: terms, sentences, keyword weights, and what supports what."""
