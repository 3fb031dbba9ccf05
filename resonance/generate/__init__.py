"""Rules that decide when and what: hearts, onsets, phrases. They know music and chance, and no audio."""
