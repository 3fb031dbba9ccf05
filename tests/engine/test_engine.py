"""The engine's promises: the same samples however it is asked, stems that add up, and safety."""

import dataclasses
import gc
import re
import weakref
from pathlib import Path

import numpy as np
import pytest
from listening import alone, listen, score_of
from scipy.signal import resample_poly

import resonance
from resonance.analysis.levels import band_level_db
from resonance.engine import Engine
from resonance.score import load

PIECE = """format = 1
title = "A small piece"
about = "every kind of sound, fog and a crossfade"
[[scene]]
name = "one"
length = 6
energy = [0.3, 0.9]
tension = [0.1, 0.7]
fog = { density = [0, 0.8] }
[scene.sounds]
drone = {}
crystals = { touch_hz = 4 }
memories = { chance = 1.0 }
heartbeat = {}
[[scene]]
name = "two"
length = 4
crossfade = 1
collapse = { weight = [[0, 0], [0.5, 0], [1, 1]] }
[scene.sounds]
lullaby = {}
room = {}
crystals = {}
"""


@pytest.mark.parametrize("frames", [1, 64, 100, 1000, 4096])
def test_blocks_of_any_length_are_the_same_samples(frames: int) -> None:
    whole = resonance.render(score_of(PIECE), seed=3)
    engine = Engine(score_of(PIECE), seed=3)
    length = {1: 20_000, 64: 200_000, 100: 200_000}.get(frames, len(whole))
    parts = [engine.render(min(frames, length - start)) for start in range(0, length, frames)]
    assert np.array_equal(np.concatenate(parts), whole[:length])


def test_the_air_over_what_comes_near_is_the_same_in_spans_of_any_length() -> None:
    """It is crossed in the middle of a span, and strokes end in the middle of others."""
    text = alone("heartbeat", seconds=20, fields="distance_m = [9, 2]")
    heard = []
    for spans in ((20, *[16] * 900), (256, 256, 4, *[256] * 60)):
        engine = Engine(score_of(text), seed=3)
        heard.append(np.concatenate([engine.advance(steps).mix for steps in spans], axis=1))
    assert np.array_equal(*(mix[:, : 14_000 * 64] for mix in heard))


def test_the_same_seed_is_the_same_piece_and_another_is_another() -> None:
    first = resonance.render(score_of(PIECE), seed=3)
    assert first.shape == (480_000, 2)
    assert first.dtype == np.float32
    assert np.array_equal(first, resonance.render(score_of(PIECE), seed=3))
    assert not np.array_equal(first, resonance.render(score_of(PIECE), seed=4))


def test_stems_and_space_add_up_to_the_premaster() -> None:
    heard = listen(PIECE, 3)
    total = heard.space.astype(np.float64)
    for stem in heard.stems.values():
        total += stem
    assert np.abs(total - heard.premaster).max() < 10.0 ** (-90.0 / 20.0)
    assert np.abs(heard.premaster).max() > 0.05


@pytest.mark.parametrize("sound", ["drone", "crystals", "memories", "heartbeat"])
def test_a_sound_alone_is_the_one_in_the_whole(sound: str) -> None:
    assert np.array_equal(listen(PIECE, 3, only=(sound,)).stems[sound], listen(PIECE, 3).stems[sound])


def test_asking_for_stems_does_not_change_the_mix() -> None:
    heard = listen(PIECE, 3)
    assert np.array_equal(resonance.render(score_of(PIECE), seed=3)[: len(heard.mix)], heard.mix)


def test_without_a_sound_the_others_play_on_as_they_did() -> None:
    all_but = Engine(score_of(PIECE), seed=3, without=("drone",), stems=True)
    whole = listen(PIECE, 3).stems["crystals"]
    parts = [block.stems["crystals"].copy() for block in all_but.blocks()]
    assert np.array_equal(np.concatenate(parts, axis=1).T[: len(whole)], whole)
    assert "drone" not in all_but.heard


def test_events_say_what_began_why_and_in_answer_to_what() -> None:
    heard = listen(PIECE, 3)
    assert {event.sound for event in heard.events} == {
        "drone",
        "crystals",
        "memories",
        "heartbeat",
        "lullaby",
        "room",
    }
    names = [event.name for event in heard.events]
    assert len(names) == len(set(names))
    assert all(event.rule for event in heard.events)
    frames = [event.frame for event in heard.events]
    assert frames == sorted(frames)
    for cloud in heard.of("memories"):
        assert cloud.follows is not None
        assert cloud.follows.sound == "crystals"
        assert 0 < cloud.frame - cloud.follows.frame <= 2 * heard.rate_hz


def test_a_start_never_startles() -> None:
    loud = alone("heartbeat", seconds=3, arc="energy = 1.0", fields="gain_db = 24")
    start = resonance.render(score_of(loud), seed=1)[: int(0.05 * 48_000)]
    assert np.abs(start).max() < 10.0 ** (-30.0 / 20.0)


@pytest.mark.parametrize("gain_db", [0, 12, 24])
def test_no_true_peak_passes_the_ceiling(gain_db: int) -> None:
    text = PIECE.replace("[[scene]]", f"[master]\ngain_db = {gain_db}\n[[scene]]", 1)
    audio = resonance.render(score_of(text), seed=3)
    peak = np.abs(resample_poly(audio.astype(np.float64), 8, 1, axis=0)).max()
    assert 20.0 * np.log10(peak) <= -1.0
    if gain_db == 24:
        assert np.abs(audio).max() > 0.6, "the ceiling was never reached: the test shows nothing"


def test_a_note_plays_a_crystal_at_once_in_the_tuning() -> None:
    engine = Engine(score_of(alone("crystals", fields="touch_hz = 0, theme_hz = 0")), seed=1)
    assert not engine.render(48_000).any()
    engine.note_on(69, 0.9)
    audio = engine.render(48_000)
    begin = np.flatnonzero(np.abs(audio).max(axis=1) > 1e-5)[0]
    assert begin < 640
    spectrum = np.abs(np.fft.rfft(audio[:, 0] * np.hanning(len(audio))))
    assert spectrum.argmax() == pytest.approx(440, abs=1)
    engine.note_off(69)


def test_wrong_notes_and_controls_are_refused_by_name() -> None:
    engine = Engine(score_of(PIECE), seed=3)
    with pytest.raises(ValueError, match="lullabye"):
        engine.note_on(60, 0.5, sound="lullabye")
    with pytest.raises(ValueError, match="velocity"):
        engine.note_on(60, 1.5)
    with pytest.raises(KeyError, match=r"drone\.glowing"):
        engine.set("drone.glowing", 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        engine.set("tension", 1.5)
    with pytest.raises(ValueError, match="no sound 'dron'"):
        Engine(score_of(PIECE), only=("dron",))


def test_a_hand_on_a_control_takes_over_and_gives_back() -> None:
    held, free = Engine(score_of(PIECE), seed=3), Engine(score_of(PIECE), seed=3)
    for sound in ("drone", "crystals", "memories", "heartbeat"):
        held.set(f"{sound}.gain_db", -120.0)
    assert np.abs(free.render(96_000)[48_000:]).max() > 0.02
    assert np.abs(held.render(96_000)[48_000:]).max() < 0.01
    held.let_go("drone.gain_db")
    assert np.abs(held.render(48_000)[24_000:]).max() > 0.02


FAULTY = '''"""A voice that goes wrong."""
from dataclasses import dataclass
import math
import numpy as np
from resonance.contract import Event, Patch, Rule, Voice

@dataclass(frozen=True)
class Faulty(Patch):
    """It goes wrong after a second."""

class FaultyRule(Rule):
    def __init__(self, patch, setting):
        self.done = False
    def events(self, span):
        if not self.done:
            self.done = True
            yield Event(0, "bad", rule="bad")
            yield Event(0, "good", rule="good")

class FaultyVoice(Voice):
    voices = 4
    def __init__(self, patch, setting):
        pass
    def start(self, event, span):
        self.bad = event.kind == "bad"
        return 3.0
    def render(self, span, out):
        out += 0.1
        if self.bad and span.start >= 48_000:
            out += WRONG
'''


@pytest.mark.parametrize("wrong", ["np.nan", "np.inf", "1e6"])
def test_a_voice_that_goes_wrong_is_muted_alone_and_named(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY.replace("WRONG", wrong))
    (tmp_path / "score.toml").write_text(
        alone("faulty", seconds=4).replace("[[scene]]", 'sounds = ["faulty.py"]\n[[scene]]', 1)
    )
    engine = Engine(load(tmp_path / "score.toml", allow_code=True), stems=True)
    stem = np.concatenate([block.stems["faulty"].copy() for block in engine.blocks()], axis=1)
    assert np.isfinite(stem).all()
    assert np.abs(stem).max() < 1.0
    assert len(engine.messages) == 1
    assert "faulty" in engine.messages[0]
    assert stem[0, 40_000] == pytest.approx(0.2)
    assert stem[0, 100_000] == pytest.approx(0.1), "the other voice sounds on"


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("out += WRONG", "raise ZeroDivisionError('no such thing')"),
        ("out += WRONG", "raise SystemExit(7)"),
        ("return 3.0", "return 3.0 if not self.bad else 3.0 / 0"),
        ("return 3.0", "return None if self.bad else 3.0"),
        ("return 3.0", "return math.nan if self.bad else 3.0"),
        ("out += WRONG", "out += np.zeros((3, 5))"),
    ],
)
def test_a_voice_that_raises_is_muted_alone_and_named(where: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY.replace(where, line).replace("WRONG", "0.0"))
    (tmp_path / "score.toml").write_text(
        alone("faulty", seconds=4).replace("[[scene]]", 'sounds = ["faulty.py"]\n[[scene]]', 1)
    )
    engine = Engine(load(tmp_path / "score.toml", allow_code=True), stems=True)
    stem = np.concatenate([block.stems["faulty"].copy() for block in engine.blocks()], axis=1)
    assert len(engine.messages) == 1
    told = r"faulty: a voice failed \(\w+: .*; faulty.py:\d+\) at \d\.\d s and was muted; the piece goes on"
    assert re.fullmatch(told, engine.messages[0])
    assert stem[0, 100_000] == pytest.approx(0.1), "the other voice sounds on"


@pytest.mark.parametrize(
    ("where", "line", "said"),
    [
        (
            "        pass\n",
            "        raise TypeError('no')\n",
            r"a voice failed \(TypeError: no",
        ),
        (
            "        self.done = False\n",
            "        self.done = 1 / 0\n",
            r"its rule failed \(ZeroDivisionError: .*",
        ),
    ],
)
def test_what_cannot_be_made_is_named_and_the_piece_goes_on(
    where: str, line: str, said: str, tmp_path: Path
) -> None:
    assert where in FAULTY
    (tmp_path / "faulty.py").write_text(FAULTY.replace(where, line).replace("WRONG", "0.0"))
    text = alone("faulty", seconds=2, more="drone = {}")
    (tmp_path / "score.toml").write_text(text.replace("[[scene]]", 'sounds = ["faulty.py"]\n[[scene]]', 1))
    engine = Engine(load(tmp_path / "score.toml", allow_code=True))
    assert np.abs(engine.render(engine.frames)).max() > 0.01
    assert len(engine.messages) == 1
    assert re.search(said + r"; faulty.py:\d+\)", engine.messages[0])


AWAY = """format = 1
{head}
[[scene]]
name = "one"
length = {length}
{arc}
[scene.sounds]
{sound}
[[scene]]
name = "away"
length = 3
crossfade = 0.5
[[scene]]
name = "two"
length = {length}
crossfade = 0.5
{arc}
[scene.sounds]
{sound}
"""


def test_what_lasts_is_another_when_it_comes_back() -> None:
    score = score_of(AWAY.format(head="", length=6, arc="energy = 0.5", sound="drone = { send_db = -120 }"))
    engine = Engine(score, seed=3, stems=True)
    stem = np.concatenate([block.stem("drone").copy() for block in engine.blocks()], axis=1)[0]
    first, again = stem[48_000:240_000], stem[48_000 + 9 * 48_000 :][:192_000]
    assert np.abs(again).max() > 0.01
    likeness = np.abs(np.fft.irfft(np.fft.rfft(first) * np.conj(np.fft.rfft(again))))
    assert likeness.max() < 0.9 * np.linalg.norm(first) * np.linalg.norm(again)


def test_a_tree_that_grows_again_sings_its_theme_again() -> None:
    score = score_of(AWAY.format(head="bpm = 90", length=40, arc="", sound="tree = { growth = [0, 1] }"))
    engine = Engine(score, seed=3)
    octaves = [
        event.frame / engine.frames
        for block in engine.blocks()
        for event in block.events
        if event.kind == "brass" and event.detail.get("place") == 6
    ]
    assert [round(place) for place in octaves] == [0, 1]


@pytest.mark.parametrize(
    ("head", "sound"),
    [("root_hz = 262", "shatter"), ("root_hz = 440", "stars"), ('tuning = "a.scl"', "stars, shatter")],
)
def test_sounds_that_lie_high_find_tones_in_every_tuning(head: str, sound: str, tmp_path: Path) -> None:
    (tmp_path / "a.scl").write_text("a short period\n2\n9/8\n4/3\n")
    listed = ", ".join(f'"{name}"' for name in sound.split(", "))
    (tmp_path / "score.toml").write_text(
        f'format = 1\n{head}\n[[scene]]\nname = "one"\nlength = 3\nvalence = 1\nsounds = [{listed}]\n'
    )
    engine = Engine(load(tmp_path / "score.toml"), seed=3)
    assert np.abs(engine.render(96_000)).max() > 0.001
    assert not engine.messages


TURNED = """format = 1
[[scene]]
name = "one"
length = 20
energy = 0.6
sounds = ["drone", "crystals"]
[[scene]]
name = "two"
length = 6
crossfade = 0.5
[scene.sounds]
mirror = { turned = 1, axis_hz = [2000, 8000] }
"""


def test_a_mirror_whose_axis_moves_is_the_same_in_spans_of_any_length() -> None:
    heard = []
    for steps in (16, 128):
        engine = Engine(score_of(TURNED), seed=3, stems=True)
        blocks = engine.unlimited_blocks(engine.frames, steps)
        heard.append(np.concatenate([block.stem("mirror").copy() for block in blocks], axis=1))
    frames = min(heard[0].shape[1], heard[1].shape[1])
    assert np.abs(heard[0]).max() > 0.001
    assert np.array_equal(heard[0][:, :frames], heard[1][:, :frames])


@pytest.mark.parametrize(
    ("sound", "fields", "band_hz"),
    [
        ("fire", "roar = 0, hiss = 0, snap_hz = 0, crackle = 1", (1500.0, 4000.0)),
        ("fire", "roar = 0, hiss = 1, snap_hz = 0, crackle = 0", (3000.0, 7000.0)),
        ("moonlight", "breath = 1", (5200.0, 9000.0)),
    ],
)
def test_noise_is_as_loud_at_every_rate(sound: str, fields: str, band_hz: tuple[float, float]) -> None:
    levels_db = []
    for rate_hz in (48_000.0, 96_000.0):
        engine = Engine(score_of(alone(sound, seconds=14, fields=fields)), rate_hz, seed=3, stems=True)
        stem = np.concatenate([block.stem(sound).copy() for block in engine.blocks()], axis=1)
        levels_db.append(band_level_db(stem.T[round(6 * rate_hz) :], rate_hz, *band_hz))
    assert levels_db[1] == pytest.approx(levels_db[0], abs=1.2)


def test_a_rule_that_raises_is_asked_no_more_and_named(tmp_path: Path) -> None:
    rule = 'yield Event(0, "good", rule="good")'
    assert rule in FAULTY
    (tmp_path / "faulty.py").write_text(
        FAULTY.replace("WRONG", "0.0").replace(rule, f"{rule}\n        raise RuntimeError('out of ideas')")
    )
    (tmp_path / "score.toml").write_text(
        alone("faulty", seconds=4).replace("[[scene]]", 'sounds = ["faulty.py"]\n[[scene]]', 1)
    )
    engine = Engine(load(tmp_path / "score.toml", allow_code=True))
    for _ in engine.blocks():
        pass
    assert engine.frame >= engine.frames, "the piece goes on"
    assert [message.partition(" (")[0] for message in engine.messages] == ["faulty: its rule failed"]


def test_stealing_a_voice_makes_no_click(tmp_path: Path) -> None:
    """Steady tones, far more than there are voices: no sample jumps by more than a 5 ms fade may."""
    (tmp_path / "steady.py").write_text(
        FAULTY.replace("out += WRONG", "pass")
        .replace("Faulty", "Steady")
        .replace(
            'yield Event(0, "good", rule="good")',
            'yield from (Event(2000 * k, "n", rule="r") for k in range(40))',
        )
    )
    (tmp_path / "score.toml").write_text(
        alone("steady", seconds=4).replace("[[scene]]", 'sounds = ["steady.py"]\n[[scene]]', 1)
    )
    engine = Engine(load(tmp_path / "score.toml", allow_code=True), stems=True)
    stem = np.concatenate([block.stems["steady"].copy() for block in engine.blocks()], axis=1)[0]
    steps = np.diff(stem)
    starts = {2000 * k - 1 for k in range(41)} | {-1}
    jumps = [at for at in np.flatnonzero(np.abs(steps) > 0.11 / 256 + 1e-6) if at not in starts]
    assert not jumps
    assert stem.max() <= 0.1 * 5 + 1e-6, "no more than the pool and one that leaves"


def test_the_rate_keeps_pitch_and_timing() -> None:
    """What is decided is the same at every rate, but for the frame it falls on."""
    heard = [listen(PIECE, 3, rate=rate) for rate in (44_100.0, 48_000.0, 96_000.0)]
    found = [[(event.kind, at.time_s(event), event.pitch_hz) for event in at.of("crystals")] for at in heard]
    assert len(found[0]) > 10
    for other in found[1:]:
        assert [kind for kind, _, _ in other] == [kind for kind, _, _ in found[0]]
        for (_, time_s, pitch_hz), (_, other_s, other_hz) in zip(found[0], other, strict=True):
            assert other_s == pytest.approx(time_s, abs=0.005)
            assert (other_hz or 0.0) == pytest.approx(pitch_hz or 0.0, rel=1e-4)


def test_duration_stretches_the_scenes_only() -> None:
    engine = Engine(score_of(PIECE), duration_s=60.0)
    assert engine.frames == 60 * 48_000
    assert [round(scene.end_s, 6) for scene in engine.timeline.scenes] == [36.0, 60.0]
    assert dataclasses.is_dataclass(engine.timeline.scenes[0])


def test_a_rule_is_asked_only_where_the_score_wants_its_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    rule = resonance.load("dream").sounds["crystals"].definition.rule
    assert rule is not None
    answer = rule.events

    def listening(self, span):
        asked.append((span.start, span.start + span.frames))
        return answer(self, span)

    monkeypatch.setattr(rule, "events", listening)
    score = score_of(
        PIECE
        + """
[[scene]]
name = "three"
length = 4
crossfade = 0.5
[scene.sounds]
drone = {}
[[scene]]
name = "four"
length = 2
crossfade = 1
[scene.sounds]
crystals = {}
"""
    )
    spans = {}
    for steps in (128, 7):
        asked.clear()
        for _ in Engine(score).blocks(steps):
            pass
        frames = np.zeros(17 * 48_000, bool)
        for begin, end in asked:
            assert not frames[begin:end].any()
            frames[begin:end] = True
        spans[steps] = frames[: 16 * 48_000]
    assert np.array_equal(spans[128], spans[7])
    assert spans[128][: 10 * 48_000].all()
    assert not spans[128][round(10.51 * 48_000) : round(13.99 * 48_000)].any()
    assert spans[128][round(14.01 * 48_000) :].all()


def test_an_engine_that_is_done_with_is_gone_at_once() -> None:
    """Night follows night: nothing in one may hold on to it until the collector comes, which may be never."""
    gc.disable()
    try:
        engine = Engine(score_of(PIECE), seed=3)
        engine.note_on(69)
        engine.render(64)
        gone = weakref.ref(engine)
        del engine
        assert gone() is None
    finally:
        gc.enable()
