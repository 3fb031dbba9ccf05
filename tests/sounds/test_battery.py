"""What every sound promises, found by listing the folder: a new file is tested by being there.

A sound of one's own is put through it by `BATTERY_SOUND=my_sound.py pytest tests/sounds/test_battery.py`.
"""

import dataclasses
import functools
import os
from pathlib import Path

import listening
import numpy as np
import pytest
from listening import Heard, alone

from resonance import sounds
from resonance.contract import MAX_STEPS, Event, Setting, Span, Sustain
from resonance.dsp import GRID_FRAMES
from resonance.engine import Engine
from resonance.score import ScoreError
from resonance.tuning import Tuning
from resonance.units import parameters

SECONDS = 12.0
ARC = "valence = [0.7, 0.3]\nenergy = [0.5, 0.9]\ntension = [0.2, 0.8]"
OWN = Path(os.environ["BATTERY_SOUND"]).resolve() if "BATTERY_SOUND" in os.environ else None
SOUNDS = {OWN.stem: sounds.own_sound(OWN)} if OWN else sounds.catalogue()
NAMES = tuple(SOUNDS)
PAST = '[[scene]]\nname = "before"\nlength = 20\nsounds = ["drone"]\n[[scene]]'  # for those that reflect it
CODE = f'[sounds.{OWN.stem}]\ncode = "{OWN.name}"\n' if OWN else ""
score_of = functools.partial(listening.score_of, beside=OWN.parent if OWN else None)


def listen(score: str, seed: int, **more: object) -> Heard:
    return listening.listen(score, seed, beside=OWN.parent if OWN else None, **more)


def text(name: str) -> str:
    """A score in which a sound plays, together with those that it answers."""
    more = "\n".join(f"{other} = {{}}" for other in _heard(name))
    score = alone(name, seconds=SECONDS, arc=ARC, more=more) + CODE
    return score.replace("[[scene]]", PAST, 1) if SOUNDS[name].voice.reflects else score


def _heard(name: str) -> tuple[str, ...]:
    rule = SOUNDS[name].rule
    return rule.hears if rule else ()


def stem(name: str, seed: int = 1, rate: float = 48_000.0) -> np.ndarray:
    return listen(text(name), seed, only=(name,), rate=rate).stems[name]


@pytest.mark.parametrize("name", NAMES)
def test_it_sounds_and_stays_within_bounds(name: str) -> None:
    audio = stem(name)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() < 2.0
    assert np.sqrt(np.mean(audio**2)) > 1e-4, "silent: nothing over -80 dBFS in 12 s of a rising arc"
    assert not listen(text(name), 1, only=(name,)).messages


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_a_performance(name: str) -> None:
    again = Engine(score_of(text(name)), seed=1, only=(name,), stems=True)
    blocks = [block.stems[name].copy() for block in again.blocks()]
    whole = stem(name)
    assert np.array_equal(np.concatenate(blocks, axis=1)[:, : len(whole)].T, whole)
    assert not np.array_equal(whole, stem(name, 2))


@pytest.mark.parametrize("name", NAMES)
def test_neither_how_time_is_cut_nor_what_was_left_in_scratch_is_heard(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratches: list[np.ndarray] = []
    scratch = Setting.scratch

    def noted(*arguments: object) -> np.ndarray:
        scratches.append(scratch(*arguments))
        return scratches[-1]

    whole = stem(name)
    monkeypatch.setattr(Setting, "scratch", noted)
    engine = Engine(score_of(text(name)), seed=1, only=(name,), stems=True)
    cuts = np.random.default_rng(1)
    while engine.frame < len(whole):
        for left in scratches:
            left.fill(np.nan)
        steps = cuts.integers(1, (16, MAX_STEPS)[int(cuts.integers(2))])
        block = engine.advance(int(steps))
        part = whole[block.start : block.start + block.mix.shape[1]]
        heard = block.stems[name].T[: len(part)]
        assert np.array_equal(heard, part), f"differs in the block at {block.start / 48_000:.3f} s"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [44_100.0, 96_000.0])
def test_the_rate_changes_no_level(name: str, rate: float) -> None:
    level_db = [20.0 * np.log10(np.sqrt(np.mean(stem(name, rate=r) ** 2))) for r in (48_000.0, rate)]
    assert level_db[1] == pytest.approx(level_db[0], abs=1.5)


@pytest.mark.parametrize("name", NAMES)
def test_it_neither_begins_nor_ends_with_a_click(name: str) -> None:
    """Where the score lets it in and out, at full energy, no sample jumps out of the silence around it."""
    score = (
        'format = 1\ntitle = "t"\nabout = "t"\n'
        '[[scene]]\nname = "before"\nlength = 1\nenergy = 0.8\nsounds = []\n'
        f'[[scene]]\nname = "sounds"\nlength = 4\ncrossfade = 0.5\nenergy = 0.8\nsounds = {_with(name)}\n'
        '[[scene]]\nname = "after"\nlength = 1\ncrossfade = 0.5\nenergy = 0.8\nsounds = []\n' + CODE
    )
    audio = listen(score, 1, only=(name,)).stems[name]
    if not audio.any():
        pytest.skip("nothing of it begins within four seconds")
    begin = int(np.flatnonzero(np.abs(audio).max(axis=1))[0])
    assert np.abs(audio[begin : begin + 8]).max() < 0.01
    end = int(np.flatnonzero(np.abs(audio).max(axis=1))[-1])
    if end < len(audio) - 64:
        assert np.abs(audio[end - 8 : end + 1]).max() < 0.01


def _with(name: str) -> str:
    return str([name, *_heard(name)]).replace("'", '"')


@pytest.mark.parametrize("name", NAMES)
def test_every_range_refuses_what_lies_outside(name: str) -> None:
    for key, declared in SOUNDS[name].parameters.items():
        if declared.kind not in ("number", "count"):
            continue
        for wrong in (declared.low - 1, declared.high + 1, "nan", '"loud"', "true"):
            written = int(wrong) if declared.kind == "count" and not isinstance(wrong, str) else wrong
            table = CODE or f"[sounds.{name}]\n"
            wrong_text = text(name).removesuffix(CODE) + f"{table}{key} = {written}\n"
            with pytest.raises(ScoreError, match=rf"score\.toml:\d+: sounds\.{name}\.{key} "):
                score_of(wrong_text)


@pytest.mark.parametrize("name", NAMES)
def test_voices_share_nothing(name: str) -> None:
    """Two voices at once sound as each sounds alone; and a voice started anew as one never started."""
    sound = SOUNDS[name]
    events = _events(name)
    if not events:
        pytest.skip("it has no events of its own")
    first, second = events[0], events[-1]
    alone_first, alone_second = _rendered(sound, [first]), _rendered(sound, [second])
    together = _rendered(sound, [first, second])
    assert np.array_equal(together[0], alone_first[0])
    assert np.array_equal(together[1], alone_second[0])
    assert np.array_equal(_rendered(sound, [first], used=second)[0], alone_first[0])


def _events(name: str) -> list[Event]:
    found = [event for event in listen(text(name), 1, only=(name,)).of(name) if event.sounds]
    return [event for event in found if event.kind != "end"]


class Remembered:
    """A past with one scene in it."""

    def __init__(self) -> None:
        heard = 0.1 * np.random.default_rng(1).standard_normal((2, 96_000)).astype(np.float32)
        self.kept = {"once": [(0, heard)]}


def _setting(name: str) -> Setting:
    return Setting(name, 48_000.0, 1, Tuning(), past=Remembered())


def _span(patch: object, start: int, steps: int) -> Span:
    def flat(value: float) -> np.ndarray:
        return np.full(steps + 1, value)

    fields = {
        key: flat(getattr(patch, key))
        for key, declared in parameters(type(patch)).items()
        if declared.follows_curves
    }
    return Span(start, steps, 48_000.0, flat(0.6), flat(0.6), flat(0.3), flat(54.0), flat(1.0), fields)


def _rendered(sound: sounds.Sound, events: list[Event], used: Event | None = None) -> list[np.ndarray]:
    """What voices of their own sound for these events, rendered in turns, half a second each."""
    patch = sound.patch()
    voices = [sound.voice(patch, _setting(sound.name)) for _ in events]
    step = events[0].frame // GRID_FRAMES * GRID_FRAMES
    for voice, event in zip(voices, events, strict=True):
        if used is not None:
            voice.start(dataclasses.replace(used), _span(patch, step, 32))
            voice.render(_span(patch, step, 32), np.zeros((2, 32 * GRID_FRAMES), np.float32))
        voice.start(dataclasses.replace(event), _span(patch, step, 32))
    heard: list[list[np.ndarray]] = [[] for _ in events]
    for turn in range(12):
        span = _span(patch, step + turn * 32 * GRID_FRAMES, 32)
        for audio, voice in zip(heard, voices, strict=True):
            out = np.zeros((2, span.frames), np.float32)
            voice.render(span, out)
            audio.append(out)
    return [np.concatenate(audio, axis=1) for audio in heard]


@pytest.mark.parametrize("name", [name for name in NAMES if SOUNDS[name].rule is not None])
def test_it_is_silent_after_its_end(name: str) -> None:
    """With the score's wish withdrawn, what rings on ends, and the pool is free again."""
    if issubclass(SOUNDS[name].rule or Sustain, Sustain) and not _events(name):
        pytest.skip("it only lasts")
    score = (
        'format = 1\ntitle = "t"\nabout = "t"\n'
        f'[[scene]]\nname = "sounds"\nlength = 4\nenergy = 0.8\nsounds = {_with(name)}\n'
        '[[scene]]\nname = "after"\nlength = 56\ncrossfade = 0.1\nenergy = 0.8\nsounds = []\n' + CODE
    )
    audio = listen(score, 1, only=(name,)).stems[name]
    assert not audio[-48_000 * 2 :].any()
