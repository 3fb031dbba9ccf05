"""A rehearsal: what keys alone play is compiled before it sounds, or the first key would stop the music."""

from pathlib import Path

import pytest
from listening import alone, score_of

from resonance.dsp import kernels
from resonance.outputs.speakers import rehearsal

SILENT_TILL_PLAYED = alone("crystals", fields="touch_hz = 0, theme_hz = 0")


def test_keys_and_hands_are_rehearsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "CACHE_FOLDER", tmp_path)
    begun = []
    performed = rehearsal.Performance

    def listened(*words: object, **options: object) -> object:
        hearing = performed(*words, **options)  # type: ignore[arg-type]
        hearing.listener = lambda events, _: begun.extend(events)
        return hearing

    monkeypatch.setattr(rehearsal, "Performance", listened)
    told: list[str] = []
    rehearsal.rehearse(score_of(SILENT_TILL_PLAYED), told.append)
    assert [event.kind for event in begun if event.sound == "crystals"] == ["note"]
    assert all(kernel.signatures for kernel in kernels if kernel.__name__ in ("_modes", "_bent", "glides"))
    rehearsal.rehearse(score_of(SILENT_TILL_PLAYED), told.append)
    assert len(told) == 1
