import pickle
from pathlib import Path

import pytest
from small_scores import MINIMAL, tone

from resonance import score as scores
from resonance.score import Curve, ScoreError, load
from resonance.score.reading import MOST_PROBLEMS

FULL = """format = 1
title = "The dream"
about = "one line"
seed = 7
rate_hz = 96000
root_hz = 65.4
tuning = ["3/2", 1, "5/4"]
bpm = 60
breath_hz = 0.2

[sounds.drone]
glow = 0.5
partials = 12
wall = "glass"

[space]
t60_s = 6
shape = "cave"

[[scene]]
name = "base"
length = "1:10"
valence = [0.55, 0.65]
energy = [[0, 0.5], [0.3, 0.9], [1, 0.2]]
tension = 0.25
bpm = [54, 60]
space = { t60_s = [4, 9] }
[scene.sounds]
drone = { gain_db = -6, glow = [0.2, 0.6] }
room = -12
memories = {}

[[scene]]
name = "ascent-2"
length = 30.5
crossfade = "8s"
sounds = ["drone"]
"""


def problems(path, **options):
    with pytest.raises(ScoreError) as caught:
        load(path, **options)
    assert str(caught.value) == caught.value.problems[0]
    assert not any("\n" in line for line in caught.value.problems)
    return caught.value.problems


def problem(text, written, **options):
    """The one mistake of a text."""
    (line,) = problems(written(text), **options)
    return line


def test_the_smallest_score_has_every_default(written):
    score = load(written(MINIMAL, "tiny.toml"))
    assert (score.name, score.title, score.about) == ("tiny", "tiny", "")
    assert (score.seed, score.rate, score.rate_hz, score.root_hz) == (1, 48_000, 48_000, 55.0)
    assert (score.bpm, score.breath_hz, score.duration_s) == (54.0, 0.0, 60.0)
    assert score.tuning.ratios == (1.0, 9 / 8, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 15 / 8)
    (scene,) = score.scenes
    assert (scene.name, scene.length_s, scene.crossfade_s) == ("base", 60.0, 4.0)
    assert [scene.valence, scene.energy, scene.tension] == [Curve.of(0.5), Curve.of(0.3), Curve.of(0.2)]
    assert (scene.sounds, scene.effects, score.sounds) == ({}, {}, {})
    assert score.effects["space"].patch().t60_s == 4.0


@pytest.mark.parametrize("title", ["Qui va là\u00a0?", "夢\u3000一", "\U0001f469\u200d\U0001f680"])
def test_a_title_is_a_line_of_any_script(title, written):
    assert load(written(f'title = "{title}"\n{MINIMAL}')).title == title
    assert load(written(MINIMAL, f"{title.replace('?', '')}.toml")).title == title.replace("?", "")


def test_melodies_use_seven_tones_of_a_longer_list_and_keys_all(written):
    ratios = ["1/1", "16/15", "9/8", "6/5", "5/4", "4/3", "45/32", "3/2", "8/5", "5/3", "9/5", "15/8"]
    tuning = load(written(f"tuning = {ratios}\nroot_hz = 55\n{MINIMAL}".replace("'", '"'))).tuning
    assert tuning.ratios == (1.0, 9 / 8, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 15 / 8)
    assert tuning.hz(7) == 110.0
    assert tuning.note_hz(70) == pytest.approx(440.0 * 16 / 15)


def test_a_full_score_is_read_to_what_it_says(written):
    score = load(written(FULL))
    assert (score.title, score.about, score.seed, score.rate) == ("The dream", "one line", 7, 96_000)
    assert score.tuning.root_hz == 65.4
    assert score.tuning.ratios == (1.0, 1.25, 1.5)
    base, ascent = score.scenes
    assert base.valence == Curve(((0.0, 0.55), (1.0, 0.65)))
    assert base.energy == Curve(((0.0, 0.5), (0.3, 0.9), (1.0, 0.2)))
    assert base.tension == Curve.of(0.25)
    assert base.bpm == Curve.of(54, 60)
    assert base.breath_hz == ascent.breath_hz == Curve.of(0.2)
    assert ascent.bpm == Curve.of(60)
    assert base.effects == {"space": {"t60_s": Curve.of(4, 9)}}
    assert base.sounds == {
        "drone": {"gain_db": Curve.of(-6), "glow": Curve.of(0.2, 0.6)},
        "room": {"gain_db": Curve.of(-12)},
        "memories": {},
    }
    assert ascent.sounds == {"drone": {}}
    assert (base.length_s, ascent.length_s, ascent.crossfade_s) == (70.0, 30.5, 8.0)
    assert list(score.sounds) == ["drone", "memories", "room"]
    patch = score.sounds["drone"].patch()
    assert (patch.glow, patch.partials, patch.wall, patch.root_hz) == (0.5, 12, "glass", 55.0)
    assert score.effects["space"].patch().shape == "cave"


def test_the_digest_belongs_to_what_is_heard(written):
    def digest(old, new):
        assert old in FULL
        return load(written(FULL.replace(old, new), "b.toml")).digest

    first = load(written(FULL)).digest
    assert len(first) == 32
    for old, new in (
        ('title = "The dream"', 'title = "A dream"   # only words'),
        ('length = "1:10"', "length = 70.0"),
        ("bpm = 60\n", "bpm = 60.0\n"),
        ("glow = 0.5\npartials = 12", "partials = 12\nglow = 0.5"),
        ('sounds = ["drone"]', "sounds = { drone = {} }"),
    ):
        assert digest(old, new) == first
    for old, new in (
        ("seed = 7", "seed = 8"),
        ("glow = 0.5", "glow = 0.51"),
        ("[0.3, 0.9]", "[0.31, 0.9]"),
        ("root_hz = 65.4", "root_hz = 65.5"),
        ("t60_s = 6", "t60_s = 7"),
        ('"8s"', '"9s"'),
        ('sounds = ["drone"]', 'sounds = ["room"]'),
    ):
        assert digest(old, new) != first


SCENE = 'format = 1\n[[scene]]\nname = "base"\nlength = 60\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[scene]]\nname = 'a'\nlength = 9\n", "a.toml:1: format is missing; write format = 1"),
        (MINIMAL.replace("1", "2", 1), "a.toml:1: format is 2; write format = 1"),
        (MINIMAL.replace("1", "true", 1), "a.toml:1: format is true; write format = 1"),
        ("format = 1\n", "a.toml:1: there are 0 scenes; write 1 to 1000 of [[scene]]"),
        ("format = 1\nscene = []\n", "a.toml:2: there are 0 scenes; write 1 to 1000 of [[scene]]"),
        ("format = 1\n[scene]\n", "a.toml:2: scene is one table; write [[scene]], in double brackets"),
        ("format = 1\nscene = [1]\n", "a.toml:2: scene is a list; it must be [[scene]] tables"),
        ("seeds = 1\n" + MINIMAL, "a.toml:1: no key 'seeds': did you mean 'seed'?"),
        ("seed = 1.5\n" + MINIMAL, "a.toml:1: seed is 1.5; it must be a whole number between 0 and 1e+18"),
        ("seed = true\n" + MINIMAL, "a.toml:1: seed is true; it must be a whole number between 0 and 1e+18"),
        ("seed = 0x" + "f" * 5000 + "\n" + MINIMAL,
         "a.toml:1: seed is about 1e6020; it must be a whole number between 0 and 1e+18"),
        ("rate_hz = 22050\n" + MINIMAL,
         "a.toml:1: rate_hz is 22050 Hz; it must be one of 44100, 48000, 88200, 96000, 192000"),
        ("root_hz = 5\n" + MINIMAL, "a.toml:1: root_hz is 5 Hz; it must be between 16 and 440 Hz"),
        ("bpm = nan\n" + MINIMAL, "a.toml:1: bpm is nan bpm; it must be between 20 and 240 bpm"),
        ("bpm = inf\n" + MINIMAL, "a.toml:1: bpm is inf bpm; it must be between 20 and 240 bpm"),
        ("bpm = '54'\n" + MINIMAL, "a.toml:1: bpm is '54'; it must be between 20 and 240 bpm"),
        ("bpm = 1999-01-01\n" + MINIMAL,
         "a.toml:1: bpm is a date or a time; it must be between 20 and 240 bpm"),
        ('title = "a\\nb"\n' + MINIMAL,
         "a.toml:1: title is 'a\\nb'; it must be a line of at most 500 characters"),
        ("tuning = 'a.scl'\n" + MINIMAL,
         "a.toml:1: tuning: there is no file 'a.scl' beside the score"),
        ("tuning = ['1/1', '1e999999999']\n" + MINIMAL,
         "a.toml:1: tuning is '1e999999999'; it must be a list of ratios like [\"1/1\", \"5/4\", \"3/2\"], "
         "or a .scl file beside the score"),
        ("tuning = ['9/8', '3/2']\n" + MINIMAL,
         "a.toml:1: tuning: ratios must begin with 1/1 and stay below the period 2"),
        ("tuning = ['1/1', '1/0']\n" + MINIMAL,
         "a.toml:1: tuning: '1/0' is no ratio: write it as 3/2 or 1.5"),
        (SCENE + "valance = 1\n", "a.toml:5: scene base: no key 'valance': did you mean 'valence'?"),
        (SCENE + "valence = 1.5\n", "a.toml:5: scene base: valence is 1.5; it must be between 0 and 1"),
        (SCENE + "valence = [\n0.5,\n2,\n]\n",
         "a.toml:7: scene base: valence is 2; it must be between 0 and 1"),
        (SCENE + "valence = []\n", "a.toml:5: scene base: valence has 0 points; a curve has 1 to 10000"),
        (SCENE + f"valence = {[0] * 10_001}\n",
         "a.toml:5: scene base: valence has 10001 points; a curve has 1 to 10000"),
        (SCENE + "valence = [[0, 0.5], [0.4, 0.1], [0.4, 0.2]]\n",
         "a.toml:5: scene base: valence: position 0.4 comes after 0.4; positions must ascend"),
        (SCENE + "valence = [[0, 0.5], [1.5, 0.1]]\n",
         "a.toml:5: scene base: valence: position is 1.5; it must be between 0 and 1"),
        (SCENE + "valence = [[0, 0.5], 0.3]\n",
         "a.toml:5: scene base: valence is 0.3; it must be all numbers, or all pairs [position, value]"),
        (SCENE + "valence = [[0, 0.5, 1]]\n",
         "a.toml:5: scene base: valence is a list; it must be all numbers, or all pairs [position, value]"),
        (SCENE + "valence = {}\n", "a.toml:5: scene base: valence is a table; it must be between 0 and 1"),
        (SCENE.replace("60", "0"),
         "a.toml:4: scene base: length is 0 s; it must be between 0.1 and 86400 s, or a text like \"1:30\""),
        (SCENE.replace("60", "-3"),
         "a.toml:4: scene base: length is -3 s; it must be between 0.1 and 86400 s, or a text like \"1:30\""),
        (SCENE.replace("60", '"0:00"'),
         "a.toml:4: scene base: length is 0 s; it must be between 0.1 and 86400 s, or a text like \"1:30\""),
        (SCENE.replace("60", '"1:3o"'),
         "a.toml:4: scene base: length: '1:3o' is no time: write 90, 90s, 1m30s, 1:30 or 1:02:03"),
        (SCENE.replace("60", "00:01:30"),
         "a.toml:4: scene base: length is a date or a time; it must be between 0.1 and 86400 s, "
         "or a text like \"1:30\""),
        (SCENE.replace("length = 60\n", ""),
         'a.toml:2: scene base: length is missing; write length = "1:30"'),
        (SCENE.replace("60", "0.5"),
         "a.toml:2: the scenes last 0.5 s together; it must be between 1 and 86400 s"),
        (SCENE.replace("60", '"20h"') + SCENE.replace("60", '"20h"').replace("base", "b").partition("\n")[2],
         "a.toml:2: the scenes last 144000 s together; it must be between 1 and 86400 s"),
        (SCENE.replace('name = "base"\n', ""),
         "a.toml:2: scene 1: name is missing; it must be 1 to 64 letters, digits, _ and -"),
        (SCENE.replace("base", "a b"),
         "a.toml:3: scene 1: name is 'a b'; it must be 1 to 64 letters, digits, _ and -"),
        (SCENE.replace("base", "a\\n"),
         "a.toml:3: scene 1: name is 'a\\n'; it must be 1 to 64 letters, digits, _ and -"),
        (SCENE + SCENE.partition("\n")[2],
         "a.toml:6: there is a scene 'base' already; give this one another name"),
        ("format = 1\n" + "".join(f"[[scene]]\nname = 'a{i}'\nlength = 1\n" for i in range(1001)),
         "a.toml:2: there are 1001 scenes; write 1 to 1000 of [[scene]]"),
        (SCENE + "sounds = ['dron']\n", "a.toml:5: scene base: no sound 'dron': did you mean 'drone'?"),
        (SCENE + "sounds = [\n'drone',\n'xyz']\n",
         "a.toml:7: scene base: no sound 'xyz'; there are drone, memories, room"),
        (SCENE + "[scene.sounds]\ndron = {}\n",
         "a.toml:6: scene base: no sound 'dron': did you mean 'drone'?"),
        (SCENE + "sounds = [3]\n", "a.toml:5: scene base: sounds is 3; it must be all names of sounds"),
        (SCENE + "sounds = 3\n", "a.toml:5: scene base: sounds is 3; it must be a table"),
        (SCENE + "sounds.drone = 30\n",
         "a.toml:5: scene base: sounds.drone is 30 dB; it must be between -120 and 24 dB"),
        (SCENE + "sounds.drone = true\n",
         "a.toml:5: scene base: sounds.drone is true; it must be its gain_db, or a table of its fields"),
        (SCENE + "[scene.sounds.drone]\nroot_hz = 5\n",
         "a.toml:6: scene base: sounds.drone.root_hz is 5 Hz; it must be between 20 and 200 Hz"),
        (SCENE + "[scene.sounds.drone]\nglowe = 5\n",
         "a.toml:6: scene base: sounds.drone: no key 'glowe': did you mean 'glow'?"),
        (SCENE + "sounds.drone.partials = 5\n",
         "a.toml:5: scene base: sounds.drone.partials is fixed while a piece plays; "
         "set it in [sounds.drone]"),
        (SCENE + "space.shape = 'cave'\n",
         "a.toml:5: scene base: space.shape is fixed while a piece plays; set it in [space]"),
        (SCENE + "space.t60_s = [4, 99]\n",
         "a.toml:5: scene base: space.t60_s is 99 s; it must be between 0.1 and 60 s"),
        (SCENE + "space = 3\n", "a.toml:5: scene base: space is 3; it must be a table"),
        (MINIMAL + "[sounds.drone]\nroot_hz = 5\n",
         "a.toml:6: sounds.drone.root_hz is 5 Hz; it must be between 20 and 200 Hz"),
        (MINIMAL + "[sounds.drone]\nglow = [0, 1]\n",
         "a.toml:6: sounds.drone.glow is a list; it must be between 0 and 1; curves belong in scenes"),
        (MINIMAL + "[sounds.drone]\npartials = 1.5\n",
         "a.toml:6: sounds.drone.partials is 1.5; it must be a whole number between 1 and 64"),
        (MINIMAL + "[sounds.drone]\nwall = 'wood'\n",
         "a.toml:6: sounds.drone.wall is 'wood'; it must be one of stone, glass"),
        (MINIMAL + "[sounds.dron]\n", "a.toml:5: no sound 'dron': did you mean 'drone'?"),
        (MINIMAL + "[sounds]\ndrone = 3\n", "a.toml:6: sounds.drone is 3; it must be a table"),
        (MINIMAL + "[spaces]\n",
         "a.toml:5: no key 'spaces': did you mean 'space'?"),
        (MINIMAL + "[space]\nt60_s = 99\n", "a.toml:6: space.t60_s is 99 s; it must be between 0.1 and 60 s"),
        (MINIMAL + '"a\\u0000b" = 1\n', "a.toml:5: scene base: no key 'a\\x00b'; there are bpm, breath_hz, "
         "crossfade, energy, length, name, sounds, space, tension, valence"),
        (MINIMAL + "length = 3\n", "a.toml:5: is no TOML: Cannot overwrite a value, column 11"),
        (MINIMAL + "x = \n", "a.toml:5: is no TOML: Invalid value, column 5"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_where_and_what(text, line, written):
    assert problem(text, written) == line


def test_all_mistakes_are_listed_in_the_order_of_their_lines(written):
    text = MINIMAL + "valence = 2\nlenght = 3\n[sounds.drone]\nglow = 3\n"
    lines = problems(written(text.replace("format = 1", "format = 1\nseed = -1")))
    assert [line.split(": ")[0] for line in lines] == ["a.toml:2", "a.toml:6", "a.toml:7", "a.toml:9"]


def test_no_more_mistakes_are_listed_than_anyone_reads(written):
    assert len(problems(written("".join(f"k{i} = 1\n" for i in range(9_000)) + MINIMAL))) == MOST_PROBLEMS


def test_a_score_error_survives_its_way_between_workers(written):
    with pytest.raises(ScoreError) as caught:
        load(written("format = 2\n"))
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_the_path_is_shown_as_short_as_it_can_be(written, tmp_path, monkeypatch):
    path = written("format = 2\n" + MINIMAL.partition("\n")[2])
    assert problems("a.toml")[0].startswith("a.toml:1: ")
    monkeypatch.chdir("/")
    assert problems(str(path))[0].startswith(str(path).removeprefix("/") + ":1: ")


def test_presets_are_found_by_name(written, monkeypatch, tmp_path):
    (tmp_path / "presets").mkdir()
    written(MINIMAL, "presets/dream.toml")
    monkeypatch.setattr("resonance.score.reader._preset_folder", lambda: tmp_path / "presets")
    assert scores.preset_names() == ("dream",)
    assert scores.preset_path("dream") == tmp_path / "presets" / "dream.toml"
    assert load("dream").name == "dream"
    assert problems("dreem") == ("no preset 'dreem': did you mean 'dream'?",)
    assert problems("xyz") == ("no preset 'xyz'; give a preset's name, or the path of a .toml file",)
    assert problems("xyz.toml") == ("xyz.toml: there is no such file",)
    assert problems("presets") == ("presets: is a folder; give the path of a .toml file",)
    assert problems("presets/") == ("presets: is a folder; give the path of a .toml file",)


OWN = """from dataclasses import dataclass
from resonance.contract import Patch, Voice
from resonance.units import part

@dataclass(frozen=True)
class Mine(Patch):
    shine: float = part(0.5, "how much it shines")

class MineVoice(Voice):
    pass
"""


@pytest.mark.parametrize(
    "text",
    [
        'sounds = ["mine.py"]\n' + MINIMAL + "sounds.mine = { shine = [0, 1] }\n",
        MINIMAL + "sounds.mine = { shine = [0, 1] }\n" + "[sounds.mine]\ncode = 'mine.py'\n",
    ],
)
def test_a_sound_of_ones_own_plays_only_where_code_is_allowed(text, written):
    path = written(text)
    written(OWN, "mine.py")
    score = load(path, allow_code=True)
    assert score.scenes[0].sounds == {"mine": {"shine": Curve.of(0, 1)}}
    assert score.sounds["mine"].patch().shine == 0.5
    (line,) = problems(path)
    assert line.endswith("'mine.py' is code, which is run only where you allow it: add --allow-code")
    written(OWN.replace("0.5", "0.6"), "mine.py")
    changed = load(path, allow_code=True)
    assert changed.sounds["mine"].patch().shine == 0.6
    assert changed.digest != score.digest


def test_mistakes_in_ones_own_sound_name_its_file(written):
    path = written('sounds = ["mine.py"]\n' + MINIMAL)
    written("def :\n", "mine.py")
    assert problems(path, allow_code=True) == ("a.toml:1: sounds: mine.py:1: invalid syntax",)
    written("import nothing_of_this_name\n", "mine.py")
    assert problems(path, allow_code=True) == (
        "a.toml:1: sounds: mine.py:1: ModuleNotFoundError: No module named 'nothing_of_this_name'",
    )


def test_ones_own_sound_cannot_take_the_name_of_another(written):
    text = MINIMAL + "[sounds.drone]\ncode = 'drone.py'\n"
    assert problems(written(text), allow_code=True) == (
        "a.toml:6: sounds.drone.code: there is a sound 'drone' already; choose another name",
    )


def test_files_stay_in_the_scores_folder(written, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    outside = tmp_path.parent / "outside.wav"
    soundfile.write(outside, tone(0.5, 8000), 8000)
    (tmp_path / "link.wav").symlink_to(outside)
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "inside").mkdir()
    soundfile.write(tmp_path / "inside" / "laugh.wav", tone(0.5, 8000), 8000)
    (tmp_path / "junk.wav").write_bytes(b"RIFF" + b"\0" * 100)

    def refused(name):
        line = problem(MINIMAL + f"[sounds.memories]\nfiles = ['{name}']\n", written)
        return line.removeprefix(f"a.toml:6: sounds.memories.files: '{name}' ")

    leads_out = "leads out of the score's folder; put it beside the score"
    for name in (
        "../outside.wav",
        str(outside),
        "link.wav",
        "../../../etc/passwd",
        "inside/../../outside.wav",
    ):
        assert refused(name) == leads_out
    assert refused("junk.wav") == "is no audio that can be read; save it as WAV or FLAC"
    missing = "a.toml:6: sounds.memories.files: there is no file '{}' beside the score"
    for name in ("loop.wav", "none.wav", "inside", "n" * 499):
        line = problem(MINIMAL + f"[sounds.memories]\nfiles = ['{name}']\n", written)
        assert line == missing.format(name if len(name) < 60 else name[:59] + "…")
    score = load(written(MINIMAL + "[sounds.memories]\nfiles = ['inside/laugh.wav']\n"))
    assert score.sounds["memories"].fields == {"files": ("inside/laugh.wav",)}


def test_the_path_of_a_score_can_be_a_path(written):
    assert load(Path(written(MINIMAL))).duration_s == 60.0
