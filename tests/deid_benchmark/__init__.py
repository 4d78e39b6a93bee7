"""How well de-identification does: an answer key in MIDI-B's schema, a scorer for it, and peers."""
