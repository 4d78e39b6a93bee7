"""How well de-identification does, as figures: an answer key in MIDI-B's schema, a scorer for it, and peers."""
