"""Tuning files, held to Surge's tuning library key by key, and to their scales' own formulas."""

import math
from pathlib import Path

import numpy as np
import pytest

from resonance.engine.commands import Tune
from resonance.engine.performance import Performance
from resonance.score import ScoreError, load, scala

reference = pytest.importorskip("tuning_library")


def equal(tones: int, period: str = "2/1") -> list[str]:
    cents = 1200.0 * math.log2(int(period.split("/")[0]) / int(period.split("/")[1]))
    return [f"{cents * k / tones:.6f}" for k in range(1, tones)] + [period]


def meantone(share: float) -> list[str]:
    """Eleven fifths, each narrowed by a share of the syntonic comma, from E flat to G sharp."""
    fifth = 1200.0 * math.log2(1.5) - share * 1200.0 * math.log2(81 / 80)
    cents = sorted((fifth * k) % 1200.0 for k in range(-3, 9))
    return [f"{c:.5f}" for c in cents[1:]] + ["2/1"]


def tempered(*fifths: float) -> list[str]:
    """A circle of fifths from C, each narrowed by so many Pythagorean commas."""
    comma, at, cents = 1200.0 * math.log2(3**12 / 2**19), 0.0, []
    for narrowed in fifths:
        cents.append(at % 1200.0)
        at += 1200.0 * math.log2(1.5) - narrowed * comma
    return [f"{c:.6f}" for c in sorted(cents)[1:]] + ["2/1"]


def stacked(step_cents: float, count: int) -> list[str]:
    return [f"{step_cents * k:.5f}" for k in range(1, count + 1)]


QUARTER, SIXTH = 0.25, 1 / 6
SCALES: dict[str, str | list[str]] = {
    **{f"{n}-edo": equal(n) for n in (5, 7, 12, 13, 17, 19, 22, 24, 31, 41, 53, 72)},
    "meantone, quarter comma": meantone(1 / 4),
    "meantone, third comma": meantone(1 / 3),
    "meantone, two sevenths": meantone(2 / 7),
    "meantone, fifth": meantone(1 / 5),
    "meantone, sixth": meantone(1 / 6),
    "Pythagorean": "256/243 9/8 32/27 81/64 4/3 729/512 3/2 128/81 27/16 16/9 243/128 2/1",
    "Werckmeister III": tempered(QUARTER, QUARTER, QUARTER, 0, 0, QUARTER, *[0] * 6),
    "Kirnberger III": (
        "256/243 193.15686 32/27 5/4 4/3 45/32 696.57843 128/81 889.73529 16/9 15/8 2/1"
    ),
    "Vallotti": tempered(*[SIXTH] * 5, *[0] * 6, SIXTH),
    "Young 1799": tempered(*[SIXTH] * 6, *[0] * 6),
    "Kellner": tempered(*[0.2] * 4, 0.0, 0.2, *[0] * 6),
    "Ptolemy, intense diatonic": "9/8 5/4 4/3 3/2 5/3 15/8 2",
    "Archytas, enharmonic": "28/27 16/15 4/3 3/2 14/9 8/5 2/1",
    "Euler, 12 tones": "25/24 9/8 6/5 5/4 4/3 45/32 3/2 25/16 5/3 9/5 15/8 2/1",
    "Partch, 43 tones": (
        "81/80 33/32 21/20 16/15 12/11 11/10 10/9 9/8 8/7 7/6 32/27 6/5 11/9 5/4 14/11 9/7 21/16 "
        "4/3 27/20 11/8 7/5 10/7 16/11 40/27 3/2 32/21 14/9 11/7 8/5 18/11 5/3 27/16 12/7 7/4 16/9 "
        "9/5 20/11 11/6 15/8 40/21 64/33 160/81 2/1"
    ),
    "Indian, 22 shrutis": (
        "256/243 16/15 10/9 9/8 32/27 6/5 5/4 81/64 4/3 27/20 45/32 729/512 3/2 128/81 8/5 5/3 "
        "27/16 16/9 9/5 15/8 243/128 2/1"
    ),
    "harmonics 8 to 16": [f"{n}/8" for n in range(9, 17)],
    "subharmonics 16 to 8": [f"16/{n}" for n in range(15, 7, -1)],
    "Young, well tuned piano": (
        "567/512 9/8 147/128 21/16 1323/1024 189/128 3/2 49/32 7/4 441/256 63/32 2/1"
    ),
    "Bohlen-Pierce, just": "27/25 25/21 9/7 7/5 75/49 5/3 9/5 49/25 15/7 7/3 63/25 25/9 3/1",
    "Bohlen-Pierce, equal": equal(13, "3/1"),
    "Carlos alpha": stacked(78.0, 18),
    "Carlos beta": stacked(63.8, 22),
    "Carlos gamma": stacked(35.1, 35),
    "slendro": "228.0 484.0 728.0 960.0 1200.0",
    "pelog": "120.0 270.0 540.0 675.0 785.0 950.0 1215.0",
    "stretched piano": [f"{k * 100.15:.5f}" for k in range(1, 13)],
    "golden": [*sorted(f"{k * 741.6408 % 1200:09.4f}" for k in range(1, 8)), "2/1"],
    "one tone": "2/1",
    "not in order": "3/2 5/4 9/8 -50.0 2/1",
}  # fmt: skip


def scl(tones: str | list[str]) -> str:
    tones = tones.split() if isinstance(tones, str) else tones
    lines = "\n".join(f" {tone} a comment" if k % 3 else tone for k, tone in enumerate(tones))
    return f"! test.scl\n!\nA test's scale\n {len(tones)}\n!\n{lines}\n"


KBM = """! a mapping
{size}
{first}
{last}
{middle}
{reference}
{hz}
{octave}
! keys
{keys}
"""


def kbm(
    keys: str = "", middle: int = 60, reference: int = 69, hz: float = 440.0, octave: int = 0
) -> str:  # fmt: skip
    size = len(keys.split())
    return KBM.format(
        size=size, first=0, last=127, middle=middle, reference=reference, hz=hz, octave=octave,
        keys="\n".join(keys.split()),
    )  # fmt: skip


def score_of(tmp_path: Path, tones: str, keyboard: str | None = None, more: str = "") -> Path:
    (tmp_path / "a.scl").write_text(tones, encoding="latin-1")
    if keyboard is not None:
        (tmp_path / "a.kbm").write_text(keyboard)
        more += 'keyboard = "a.kbm"\n'
    path = tmp_path / "score.toml"
    path.write_text(
        f'format = 1\ntuning = "a.scl"\n{more}[[scene]]\nname = "one"\nlength = 10\nsounds = ["crystals"]\n'
    )
    return path


def test_there_are_enough_of_many_kinds() -> None:
    assert len(SCALES) >= 30


@pytest.mark.parametrize("name", SCALES)
def test_every_key_of_a_published_scale_is_where_the_reference_has_it(tmp_path: Path, name: str) -> None:
    tones = SCALES[name]
    keyboard = kbm(reference=60, hz=261.625565)
    tuning = load(score_of(tmp_path, scl(tones), keyboard)).tuning
    other = reference.Tuning(reference.parse_scl_data(scl(tones)), reference.parse_kbm_data(keyboard))
    for key in range(128):
        hz, wanted_hz = tuning.note_hz(key), other.frequency_for_midi_note(key)
        assert hz is not None
        assert abs(1200.0 * math.log2(hz / wanted_hz)) < 0.001, key


@pytest.mark.parametrize(
    "keyboard",
    [
        kbm(),
        kbm("0 1 2 3 4 5 6", octave=7),
        kbm("0 x 1 x 2 3 x 4 x 5 x 6", octave=7),
        kbm("0 1 2 3 4 5 6 7 8 9 10 11", middle=62, reference=62, hz=300.0, octave=12),
        kbm("0 0 2 2 4 5", middle=48, reference=48, hz=130.0, octave=7),
    ],
)
def test_keyboards_are_mapped_as_the_reference_maps_them(tmp_path: Path, keyboard: str) -> None:
    tones = scl(SCALES["Ptolemy, intense diatonic"])
    if "11" in keyboard.split():
        tones = scl(SCALES["Pythagorean"])
    tuning = load(score_of(tmp_path, tones, keyboard)).tuning
    other = reference.Tuning(reference.parse_scl_data(tones), reference.parse_kbm_data(keyboard), True)
    sounding = 0
    for key in range(128):
        hz = tuning.note_hz(key)
        assert (hz is not None) == other.is_midi_note_mapped(key), key
        if hz is not None:
            sounding += 1
            assert abs(1200.0 * math.log2(hz / other.frequency_for_midi_note(key))) < 0.001, key
    assert sounding > 60


def test_a_scale_without_a_mapping_lies_on_the_root_key_by_key(tmp_path: Path) -> None:
    tuning = load(score_of(tmp_path, scl(equal(19)), more="root_hz = 55\n")).tuning
    assert tuning.note_hz(33) == pytest.approx(55.0)
    assert tuning.note_hz(33 + 19) == pytest.approx(110.0)
    assert tuning.note_hz(34) == pytest.approx(55.0 * 2.0 ** (1 / 19))


def test_the_piece_sings_its_melodies_in_the_seven_tones_nearest_to_its_own(tmp_path: Path) -> None:
    tuning = load(score_of(tmp_path, scl(equal(31)))).tuning
    assert len(tuning.ratios) == 7
    steps = [round(31 * math.log2(each)) for each in tuning.ratios]
    assert steps == [0, 5, 10, 13, 18, 23, 28]
    assert load(score_of(tmp_path, scl(SCALES["slendro"]))).tuning.ratios[1] == pytest.approx(
        2 ** (228 / 1200)
    )


def test_the_root_follows_the_mapping_in_the_octave_of_the_score(tmp_path: Path) -> None:
    tuning = load(score_of(tmp_path, scl(equal(12)), kbm(hz=432.0), "root_hz = 60\n")).tuning
    assert tuning.root_hz == pytest.approx(432.0 * 2.0 ** (-9 / 12) / 4.0)


@pytest.mark.parametrize(
    ("tones", "keyboard", "said"),
    [
        ("", None, "line 1: its second line says how many tones follow, 1 to 2048"),
        ("a\n0\n", None, "line 2: its second line says how many tones follow, 1 to 2048"),
        ("a\n2\n3/2\n", None, "line 3: it says 2 tones, and has 1"),
        ("a\n! note\n1\n3/0\n", None, "line 4: '3/0' is no ratio: write it as 3/2, or cents with a point"),
        ("a\n1\n-3/2\n", None, "line 3: '-3/2' is no ratio: write it as 3/2, or cents with a point"),
        ("a\n1\n1.2.3\n", None, "line 3: '1.2.3' are no cents: write them as 701.955"),
        ("a\n1\n99999.0\n", None, "line 3: 99999.0 cents are further than ten octaves"),
        ("a\n1\n1/1\n", None, "line 3: its last tone, at which the scale repeats, must be above the first"),
        (f"a\n1\n{'9' * 5000}\n", None, "line 3: '" + "9" * 40 + "' is no ratio: write it as 3/2"),
        (None, "", "line 1: here it says how many keys the mapping has, a number, not ''"),
        (None, kbm(hz=0.0), "line 8: its pitch is 0 Hz; it must be between 1 and 20000 Hz"),
        (None, kbm("0 x 2", reference=61), "line 12: key 61, whose pitch it gives, is mute"),
        (None, kbm("0 y"), "line 11: 'y' is no degree: write a number, or x for a key that is mute"),
        (None, kbm(middle=128), "line 5: the middle key, where the mapping begins is 128; keys are 0 to 127"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, tones: str | None, keyboard: str | None, said: str
) -> None:
    with pytest.raises(ScoreError) as refused:
        load(score_of(tmp_path, scl(equal(7)) if tones is None else tones, keyboard))
    assert said in str(refused.value)
    where = "keyboard: 'a.kbm'" if keyboard is not None else "tuning: 'a.scl'"
    assert where in str(refused.value)


def test_a_mapping_goes_with_a_scale_and_files_with_the_score(tmp_path: Path) -> None:
    path = score_of(tmp_path, scl(equal(7)))
    for old, new, said in (
        ('tuning = "a.scl"', 'keyboard = "a.kbm"', "keyboard: a mapping goes with a tuning file"),
        ("a.scl", "b.scl", "there is no file 'b.scl'"),
        ("a.scl", "../a.scl", "leads out of the score's folder"),
        ("a.scl", "a.txt", "tuning is 'a.txt'; it must be the name of a .scl file"),
        ("= 1\n", '= 1\nheld_notes = "stay"\n', "held_notes is 'stay'; it must be one of follow, keep"),
    ):  # fmt: skip
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(ScoreError, match=said.replace(".", r"\.")):
            load(path)
        path.write_text(path.read_text().replace(new, old))
    load(path)


def test_another_scale_is_another_digest(tmp_path: Path) -> None:
    one = load(score_of(tmp_path, scl(equal(7)))).digest
    assert load(score_of(tmp_path, scl(equal(8)))).digest != one
    assert load(score_of(tmp_path, scl(equal(7)), kbm())).digest != one


@pytest.mark.parametrize("held", ["follow", "keep"])
def test_notes_that_are_held_follow_their_key_or_keep_as_the_score_says(
    tmp_path: Path, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resonance.engine.commands import NoteOn

    heard = []
    for tunes in (False, True):
        score = load(score_of(tmp_path, scl(equal(12)), more=f'held_notes = "{held}"\n'))
        performance = Performance(score, 48_000, 1)
        performance.do(NoteOn(69, 0.9, "crystals"))
        performance.render(4800)
        if tunes:
            performance.do(Tune(69, 470.0))
        heard.append(performance.render(24_000))
    assert np.array_equal(*heard) == (held == "keep")


def test_a_mute_key_is_silent(tmp_path: Path) -> None:
    score = load(score_of(tmp_path, scl(equal(7)), kbm("0 x 1 x 2 3 x 4 x 5 x 6", octave=7)))
    assert score.tuning.note_hz(61) is None
    performance = Performance(score, 48_000, 1)
    from resonance.engine.commands import NoteOn

    performance.do(NoteOn(61, 0.9, "crystals"))
    other = Performance(score, 48_000, 1)
    assert np.array_equal(performance.render(9600), other.render(9600))


def test_the_formats_oddities_are_read() -> None:
    read = scala.scale("! x\n\n 2 tones\n!\n 3/2 fifth\n\n! more\n2\nleft over\n")
    assert read == scala.Scale("", (1.0, 1.5), 2.0)
    told = scala.scale("Ångström, х…\r\n! Å\r\n1\r\n2/1\r\n".encode().decode("latin-1"))
    assert (told.ratios, told.period) == ((1.0,), 2.0)
    assert scala.scale("a\n1\n1200.\n").period == pytest.approx(2.0)
    assert scala.mapping(kbm("0 1 2", reference=60).replace("3\n", "5\n", 1)).keys == (0, 1, 2, None, None)
