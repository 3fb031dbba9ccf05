"""The piece as a standard MIDI file: its notes and hits, sound by sound, and its scenes as markers.

Pitches are the piece's own: each note is bent from the nearest key to where it lies, on a channel that no
other note bends meanwhile. Source: Standard MIDI Files 1.0 (RP-001).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resonance.contract import Event

TICKS = 960
"""Ticks to a quarter note. At 120 a minute one is half a millisecond long."""
TICK_S = 0.5 / TICKS
BEND_ST = 2.0
_DRUMS = 9
_CHANNELS = tuple(channel for channel in range(16) if channel != _DRUMS)
_BASS_DRUM = 36
_LEAST_S, _LONGEST_S = 0.03, 600.0
_LASTING = ("begin", "end")


@dataclass(frozen=True, slots=True)
class Note:
    """One note or hit: when, how long, its pitch (None: a hit) and velocity, 1 to 127."""

    time_s: float
    duration_s: float
    pitch_hz: float | None
    velocity: int
    sound: str


@dataclass(slots=True)
class Line:
    """A message of a track, and when it comes; an end can come sooner than was thought."""

    time_s: float
    message: Any

    @property
    def tick(self) -> int:
        return round(self.time_s / TICK_S)


def note_of(event: Event, time_s: float) -> Note | None:
    """The note or hit that an event is; None for what lasts as long as its scene, and for whole phrases.

    A phrase's tones have events of their own.
    """
    if event.kind in _LASTING or "begins_s" in event.detail:
        return None
    velocity = min(127, max(1, round(127.0 * 10.0 ** (event.level_db / 40.0))))
    duration_s = min(max(event.duration_s, _LEAST_S), _LONGEST_S)
    hz = event.pitch_hz if event.pitch_hz is not None and event.pitch_hz > 0.0 else None
    return Note(time_s, duration_s, hz, velocity, event.sound)


def key_and_bend(pitch_hz: float) -> tuple[int, int]:
    """The nearest key to a pitch, and how far it is bent from it: -8192 to 8191 for two semitones."""
    place = 69.0 + 12.0 * math.log2(pitch_hz / 440.0)
    key = min(127, max(0, round(place)))
    bend = round((place - key) / BEND_ST * 8192.0)
    return key, min(8191, max(-8192, bend))


def write(
    path: Path, notes: Iterable[Note], scenes: Sequence[tuple[float, str]], seconds: float, title: str
) -> None:
    """Writes a file of these notes, `seconds` long, in a track a sound; `scenes` are times and names."""
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    head = [Line(0.0, mido.MetaMessage("track_name", name=_plain(title)))]
    head.append(Line(0.0, mido.MetaMessage("set_tempo", tempo=500_000)))
    head += [Line(time_s, mido.MetaMessage("marker", text=_plain(name))) for time_s, name in scenes]
    file.tracks.append(_track(head, seconds))
    by_sound: dict[str, list[Line]] = {}
    drums: dict[str, int] = {}
    free_s = dict.fromkeys(_CHANNELS, 0.0)
    sounding: dict[tuple[int, int], Line] = {}
    for note in sorted(notes, key=lambda note: note.time_s):
        named = Line(0.0, mido.MetaMessage("track_name", name=_plain(note.sound)))
        lines = by_sound.setdefault(note.sound, [named])
        end_s = min(note.time_s + note.duration_s, max(seconds, note.time_s + _LEAST_S))
        if note.pitch_hz is None:
            key = drums.setdefault(note.sound, min(81, _BASS_DRUM + len(drums)))
            channel = _DRUMS
        else:
            key, bend = key_and_bend(note.pitch_hz)
            channel = min(_CHANNELS, key=lambda each: free_s[each])
            free_s[channel] = max(free_s[channel], end_s)
            lines.append(Line(note.time_s, mido.Message("pitchwheel", channel=channel, pitch=bend)))
        # A key that is struck again is let go of first, or its end would be the new note's.
        before = sounding.get((channel, key))
        if before is not None:
            before.time_s = min(before.time_s, note.time_s)
        on = mido.Message("note_on", channel=channel, note=key, velocity=note.velocity)
        off = Line(end_s, mido.Message("note_off", channel=channel, note=key, velocity=64))
        lines += [Line(note.time_s, on), off]
        sounding[channel, key] = off
    for name in sorted(by_sound):
        file.tracks.append(_track(by_sound[name], seconds))
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)


def _plain(text: str) -> str:
    """A name as every program reads it: the format knows no encoding."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _track(lines: list[Line], seconds: float) -> Any:
    """A track of messages with their seconds, in order; at one moment what ends goes first, as it came."""
    import mido

    track, now = mido.MidiTrack(), 0
    for line in sorted(lines, key=lambda line: line.tick):
        track.append(line.message.copy(time=line.tick - now))
        now = line.tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, round(seconds / TICK_S) - now)))
    return track
