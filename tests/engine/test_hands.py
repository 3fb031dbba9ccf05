"""A hand on a note: bent, pressed, coloured, let go; and the heart led from outside, to the frame."""

import itertools

import numpy as np
import pytest
from listening import alone, score_of
from test_performance import played

from resonance.engine import Engine
from resonance.engine.commands import AllOff, Command, Express, LetGo, NoteOff, NoteOn, Pulse, Tune
from resonance.engine.hand import Hand
from resonance.engine.performance import Performance

RATE = 48_000
STILL = {
    "crystals": "touch_hz = 0, theme_hz = 0, send_db = -120",
    "lullaby": "phrase_s = 300, send_db = -120",
    "tree": "branch_hz = 0, growth = 0, send_db = -120",
    "symphony": "chorus = 0, canon = 0, send_db = -120",
    "heartbeat": "send_db = -120",
    "moonlight": "eyes_db = -120, send_db = -120",
}


def stem(sound: str, hands: list[tuple[int, Command]], seconds: float = 1.5) -> np.ndarray:
    """What the hands alone add to a sound that is otherwise itself, mono."""

    def one(hands: list[tuple[int, Command]]) -> np.ndarray:
        performance = Performance(score_of(alone(sound, fields=STILL[sound])), RATE, 1)
        return played(performance, int(seconds * RATE), 4096, hands).sum(axis=1)

    return one(hands) - one([])


def loudest_hz(audio: np.ndarray) -> float:
    """The strongest partial, by a parabola through the top of the spectrum."""
    level = np.log(np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 4 * len(audio))) + 1e-12)
    top = int(np.argmax(level[8:])) + 8
    before, at, after = level[top - 1 : top + 2]
    return (top + 0.5 * (before - after) / (before - 2 * at + after)) * RATE / (4 * len(audio))


@pytest.mark.parametrize("sound", ["crystals", "tree", "symphony", "lullaby", "moonlight"])
@pytest.mark.parametrize("cents", [-700.0, 1200.0])
def test_a_bend_is_heard_as_far_as_it_goes(sound: str, cents: float) -> None:
    note = NoteOn(57 if sound == "lullaby" else 69, 0.9, sound)
    plain = stem(sound, [(9600, note)])
    bent = stem(sound, [(4800, Express(bend_cents=cents)), (9600, note)])
    heard = slice(int(0.4 * RATE), None)
    off = 1200.0 * np.log2(loudest_hz(bent[heard]) / loudest_hz(plain[heard])) - cents
    # A throat may make another partial the loudest; that is as many whole multiples off.
    ratio = 2.0 ** (off / 1200.0)
    nearest = min((a / b for a in range(1, 9) for b in range(1, 9)), key=lambda r: abs(np.log(r / ratio)))
    assert abs(1200.0 * np.log2(ratio / nearest)) < (25.0 if sound in ("lullaby", "moonlight") else 5.0)
    if sound in ("crystals", "tree", "symphony"):
        assert abs(off) < 5.0


def test_a_bend_is_for_the_notes_that_are_held() -> None:
    on, bend = (9600, NoteOn(69, 0.9, "crystals")), (19200, Express(bend_cents=300.0))
    let_go = stem("crystals", [on, (14400, NoteOff(69)), bend])
    assert np.array_equal(let_go, stem("crystals", [on]))
    assert not np.array_equal(stem("crystals", [on, bend]), let_go)
    other = (19200, Express(bend_cents=300.0, channel=3))
    assert np.array_equal(stem("crystals", [on, other]), let_go)


def test_a_wheel_moves_what_rings_on_and_a_finger_that_has_left_moves_nothing() -> None:
    on, off = (9600, NoteOn(69, 0.9, "crystals")), (14400, NoteOff(69))
    kept = (14400, NoteOff(69, pedalled=True))
    finger, wheel = (19200, Express(bend_cents=300.0)), (19200, Express(bend_cents=300.0, whole=True))
    plain, bent = stem("crystals", [on]), stem("crystals", [on, finger])
    assert np.array_equal(stem("crystals", [on, kept, finger]), plain)
    for hands in ([on, wheel], [on, off, wheel], [on, kept, wheel]):
        assert np.array_equal(stem("crystals", hands), bent)
    assert np.array_equal(stem("crystals", [on, kept, finger, (24000, NoteOff(69))]), plain)


def test_finger_and_wheel_are_felt_as_one() -> None:
    hand = Hand(bend_cents=100.0, whole_bend_cents=-30.0, pressure=0.2, whole_pressure=0.7, timbre=0.9)
    hand.move(0, whole_timbre=0.8, tuned_cents=5.0)
    felt = hand.touch(100, 1)
    assert (felt.bend_cents[1], felt.pressure[1], felt.timbre[1]) == (75.0, 0.7, 1.0)


def test_a_key_that_is_pressed_sounds_on() -> None:
    on = (4800, NoteOn(69, 0.5, "crystals"))
    pressed = stem("crystals", [on, (14400, Express(69, pressure=1.0))], 3.0)
    rms = [np.sqrt(np.mean(audio[2 * RATE :] ** 2)) for audio in (pressed, stem("crystals", [on], 3.0))]
    assert rms[0] > 2.0 * rms[1]


@pytest.mark.parametrize("sound", ["lullaby", "moonlight", "tree", "symphony"])
def test_pressure_swells(sound: str) -> None:
    on = (4800, NoteOn(57, 0.8, sound))
    pressed = stem(sound, [on, (14400, Express(57, pressure=1.0))])
    rms = [np.sqrt(np.mean(audio[RATE // 2 :] ** 2)) for audio in (pressed, stem(sound, [on]))]
    assert 1.3 * rms[1] < rms[0] < 3.0 * rms[1]


@pytest.mark.parametrize("sound", ["crystals", "tree", "symphony"])
def test_timbre_brightens(sound: str) -> None:
    def centroid(timbre: float) -> float:
        audio = stem(sound, [(0, Express(timbre=timbre)), (4800, NoteOn(69, 0.8, sound))])
        level = np.abs(np.fft.rfft(audio[RATE // 2 :])) ** 2
        return float((level * np.arange(len(level))).sum() / level.sum())

    assert centroid(0.0) < centroid(0.5) < centroid(1.0)


@pytest.mark.parametrize("sound", ["drone", "wind", "city"])
def test_what_lasts_leaves_the_key_that_is_let_go_of(sound: str) -> None:
    performance = Performance(score_of(alone("crystals", fields="touch_hz = 0", more=f"{sound} = {{}}")))
    silent = Performance(score_of(alone("crystals", fields="touch_hz = 0", more=f"{sound} = {{}}")))
    performance.do(NoteOn(60, 0.8, sound), 4_800)
    performance.do(NoteOff(60, 0.5, sound), 48_000)
    heard, without = performance.render(288_000), silent.render(288_000)
    assert np.abs(heard - without)[24_000:48_000].max() > 1e-3
    assert performance._legs[0].engine.keys.peak(sound) == 0.0


def test_keys_of_the_drum_are_skins_of_other_sizes() -> None:
    def centroid(note: int) -> float:
        audio = stem("heartbeat", [(4800, NoteOn(note, 0.8, "heartbeat", 9))], 0.8)
        level = np.abs(np.fft.rfft(audio)) ** 2
        return float((level * np.arange(len(level))).sum() / level.sum())

    assert centroid(36) < 0.8 * centroid(45)
    assert centroid(45) < 0.8 * centroid(60)


def test_nothing_jumps_under_a_hand() -> None:
    hands: list[tuple[int, Command]] = [(4800, NoteOn(57, 0.8, "lullaby"))]
    quiet = np.abs(np.diff(stem("lullaby", hands))).max()
    hands += [
        (24_000 + 1000 * k, Express(bend_cents=100.0 * (-1) ** k, pressure=float(k % 2), timbre=0.3))
        for k in range(20)
    ]
    assert np.abs(np.diff(stem("lullaby", hands))).max() < 3.0 * quiet


def test_hands_on_notes_count_the_same_in_blocks_of_any_length() -> None:
    hands: list[tuple[int, Command]] = [
        (100, Express(channel=1, bend_cents=50.0)),
        (777, NoteOn(69, 0.8, "crystals", 1)),
        (5000, NoteOff(69, 0.1, "crystals", 1)),
        (5000, NoteOn(69, 0.8, "crystals", 1)),
        (9001, Express(69, 1, pressure=0.7, timbre=0.9)),
        (12_345, Pulse(0.1, 0.5)),
        (15_000, Tune(69, 450.0)),
        (20_000, NoteOn(69, 0.8, "crystals", 1)),
        (23_000, AllOff(1, cut=True)),
        (24_000, LetGo("pulse")),
    ]
    text = alone("crystals", more="heartbeat = {}")
    whole = played(Performance(score_of(text), RATE, 1), 48_000, 48_000, hands)
    for block in (64, 777):
        assert np.array_equal(played(Performance(score_of(text), RATE, 1), 48_000, block, hands), whole)


def test_a_note_struck_again_at_the_same_frame_lets_go_of_the_first_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    performance = Performance(score_of(alone("lullaby")), RATE, 1)
    voice = performance.score.sounds["lullaby"].definition.voice
    released: list[float] = []
    monkeypatch.setattr(voice, "release", lambda self, velocity: released.append(velocity) or 0.1)
    performance.do(NoteOn(57, 0.6, "lullaby"))
    performance.render(4800)
    performance.do(NoteOff(57, 0.2))
    performance.do(NoteOn(57, 0.6, "lullaby"))
    performance.render(4800)
    assert released == [0.2]
    performance.do(AllOff())
    performance.render(4800)
    assert released == [0.2, 0.5]


@pytest.mark.parametrize("sound", ["lullaby", "moonlight"])
def test_a_key_that_goes_up_fast_ends_its_note_sooner(sound: str) -> None:
    def left(velocity: float) -> float:
        audio = stem(sound, [(0, NoteOn(57, 0.9, sound)), (48_000, NoteOff(57, velocity, sound))], 3.0)
        return float(np.sqrt(np.mean(audio[int(1.8 * RATE) :] ** 2)))

    assert left(1.0) < 0.5 * left(0.0)


def test_all_sound_off_silences_what_rings_and_what_is_played_only() -> None:
    on = [(4800, NoteOn(69, 0.9, "crystals", 2)), (9600, NoteOff(69, channel=2))]
    audio = stem("crystals", [*on, (24_000, AllOff(2, cut=True))])
    assert np.abs(audio[15_000:24_000]).max() > 1e-3
    assert np.abs(audio[25_500:]).max() < 1e-5
    assert np.array_equal(stem("crystals", [*on, (24_000, AllOff(3, cut=True))]), stem("crystals", on))


def test_what_is_played_takes_nothing_from_the_piece() -> None:
    """However many notes are held: the difference is what they would be over a piece that is silent."""

    def heard(fields: str, notes: int) -> np.ndarray:
        performance = Performance(score_of(alone("crystals", fields=fields)), RATE, 1)
        for k in range(notes):
            performance.do(NoteOn(40 + k, 0.3, "crystals"), 24_000 + 700 * k)
        return played(performance, 3 * RATE, 128, [])

    busy, silent = "touch_hz = 8, theme_hz = 0", "touch_hz = 0, theme_hz = 0"
    both, piece, hands = heard(busy, 40), heard(busy, 0), heard(silent, 40)
    assert max(np.abs(piece).max(), np.abs(both).max()) < 0.8, "else the ceiling has its part in it"
    assert np.abs(hands).max() > 0.01
    assert np.abs(both - piece - hands).max() < 1e-6


def test_engine_notes_let_go_before_they_begin() -> None:
    engine = Engine(score_of(alone("lullaby", fields=STILL["lullaby"])), RATE, 1)
    engine.note_on(57, 0.9, "lullaby")
    engine.note_off(57)
    assert np.abs(engine.render(3 * RATE)[2 * RATE :]).max() < 1e-5


def beats(hands: list[tuple[int, Command]], seconds: float) -> list[int]:
    """The frames of the heart's beats, as its strokes tell them."""
    performance = Performance(score_of(alone("heartbeat", seconds=60)), RATE, 1)
    told = []
    for at in range(0, int(seconds * RATE), 512):
        for frame, command in hands:
            if at <= frame < at + 512:
                performance.do(command, frame)
        performance.render(512)
        told += [round(shown.time_s * RATE) for shown in performance.view().events if shown.kind == "lub"]
    return sorted(set(told))


def test_the_heart_is_led_to_the_frame_and_goes_on_by_itself() -> None:
    delay = Performance(score_of(alone("heartbeat")), RATE, 1).delay_frames
    led = beats([(96_000, Pulse(0.5, 0.8)), (96_000 + 4 * 38_400, LetGo("pulse"))], 9.0)
    grid = [96_000 + delay + 24_000 + k * 38_400 for k in range(4)]
    assert [frame for frame in led if frame in grid] == grid
    # After that it beats at the same pace, but as a living heart does.
    own = np.diff([frame for frame in led if frame >= grid[-1]]) / RATE
    assert np.abs(own - 0.8).max() < 0.12
    assert np.ptp(own[1:]) > 0.001


def test_a_beat_that_is_moved_is_not_beaten_twice() -> None:
    hands: list[tuple[int, Command]] = [(48_000, Pulse(0.5, 1.0))]
    # Just after each beat it turns out to have been due a little later.
    hands += [(72_000 + 48_000 * k + 500, Pulse(0.003, 1.0)) for k in range(4)]
    gaps = np.diff([frame for frame in beats(hands, 7.0) if frame > 72_000]) / RATE
    assert gaps.min() > 0.9
    assert all(b > a for a, b in itertools.pairwise(beats(hands, 7.0)))


def test_a_key_is_tuned() -> None:
    plain = [(0, Tune(69, 450.0)), (4800, NoteOn(69, 0.9, "crystals"))]
    assert loudest_hz(stem("crystals", plain)[RATE // 4 :]) == pytest.approx(450.0, abs=0.3)
