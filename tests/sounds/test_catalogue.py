from pathlib import Path

import pytest

from resonance import effects, sounds
from resonance.contract import Patch, Rule, Voice
from resonance.sounds import SoundError, own_sound, suffix_due
from resonance.units import parameters

WHOLE = '''"""A bell in the fog."""
from dataclasses import dataclass
from resonance.contract import Patch, Rule, Voice
from resonance.units import hz, part, seconds

@dataclass(frozen=True)
class Bell(Patch):
    strike: float = part(0.5, "how hard it is struck")

class BellRule(Rule):
    pass

class BellVoice(Voice):
    pass
'''


@pytest.fixture
def own(tmp_path):
    def write(text, name="bell.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path) -> str:
    with pytest.raises(SoundError) as caught:
        own_sound(path)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_the_folder_is_the_registry():
    folder = Path(sounds.__file__).parent
    assert sounds.names() == tuple(sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__"))
    folder = Path(effects.__file__).parent
    assert effects.names() == tuple(sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__"))


@pytest.mark.parametrize("name", sounds.names())
def test_every_built_in_sound_is_whole(name):
    sound = sounds.sound(name)
    assert sound.name == name
    assert issubclass(sound.patch, Patch)
    assert issubclass(sound.voice, Voice)
    assert sound.rule is None or issubclass(sound.rule, Rule)
    assert sound.doc
    assert "gain_db" in sound.parameters


@pytest.mark.parametrize("name", effects.names())
def test_every_effect_is_whole_and_its_parameters_wear_their_units(name):
    patch = effects.effect(name)
    assert patch.__dataclass_params__.frozen
    assert parameters(patch)
    for key, parameter in parameters(patch).items():
        assert suffix_due(key, parameter) is None


def test_ones_own_file_is_a_sound(own):
    sound = own_sound(own(WHOLE))
    assert (sound.name, sound.doc) == ("bell", "A bell in the fog.")
    assert (sound.patch.__name__, sound.voice.__name__) == ("Bell", "BellVoice")
    assert sound.rule is not None
    assert list(sound.parameters) == ["gain_db", "send_db", "distance_m", "strike"]
    assert own_sound(own(WHOLE.replace("class BellRule(Rule):\n    pass\n", ""))).rule is None


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(own):
    first = own_sound(own(WHOLE))
    assert own_sound(own(WHOLE)).patch is first.patch
    assert own_sound(own(WHOLE.replace("0.5", "0.6"))).patch().strike == 0.6


def test_the_catalogue_has_ones_own_sounds_after_the_built_in(own, monkeypatch):
    monkeypatch.setattr(sounds, "names", lambda: ("drone",))
    monkeypatch.setattr(sounds, "sound", lambda name: name)
    assert list(sounds.catalogue()) == ["drone"]
    assert list(sounds.catalogue([own(WHOLE)])) == ["drone", "bell"]
    with pytest.raises(SoundError, match=r"drone\.py: there is a sound 'drone' already; rename the file"):
        sounds.catalogue([own(WHOLE, "drone.py")])


def test_an_unknown_sound_is_refused():
    with pytest.raises(SoundError, match="no sound 'nothing'; there are "):
        sounds.sound("nothing")


FROZEN = "@dataclass(frozen=True)\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("class Bell(Patch)", "class Bell Patch", "bell.py:7: "),
        ("import hz", "import herz, hz",
         "bell.py:4: ImportError: cannot import name 'herz' from 'resonance.units'"),
        ("class BellRule", "import sys; sys.exit('gone')\nclass BellRule", "bell.py:10: SystemExit: gone"),
        ("class BellRule", "def one():\n    1 / 0\none()\nclass BellRule",
         "bell.py:11: ZeroDivisionError: division by zero"),
        ('0.5, "how', '5, "how', "bell.py:8: ValueError: default 5 must be between 0 and 1"),
        (FROZEN + "class Bell(Patch)", FROZEN + "class Bell",
         "bell.py: no patch: write a class that extends resonance.contract.Patch"),
        ("class BellVoice(Voice)", "class BellVoice",
         "bell.py: no voice: write a class that extends resonance.contract.Voice"),
        ("class BellRule", FROZEN + "class Gong(Patch):\n    pass\n\nclass BellRule",
         "bell.py: one patch a file; it has 2: Bell, Gong"),
        ("class BellRule", "class Gong(Voice):\n    pass\n\nclass BellRule",
         "bell.py: one voice a file; it has 2: Gong, BellVoice"),
        ("class BellRule", "class Gong(Rule):\n    pass\n\nclass BellRule",
         "bell.py: one rule a file; it has 2: Gong, BellRule"),
        (FROZEN, "", "bell.py: Bell must be frozen: write @dataclass(frozen=True) above it"),
        ("strike: float = part(", "strike = part(",
         "bell.py:6: TypeError: 'strike' is a field but has no type annotation"),
        ('part(0.5, "how hard it is struck")', "0.5",
         "bell.py: Bell.strike is not declared: write strike: float = part(...), "
         "or hz, seconds, db of resonance.units"),
        ('strike: float = part(0.5, "', 'strike: float = hz(0.5, 0, 1, "',
         "bell.py: Bell.strike is in Hz; its name must end in _hz"),
        ('strike: float = part(0.5, "', 'strike_hz: float = seconds(0.5, 0, 1, "',
         "bell.py: Bell.strike_hz is in s; its name must end in _s"),
        ("strike: float", "strike_db: float",
         "bell.py: Bell.strike_db has no unit; its name must have no unit's suffix"),
    ],
)  # fmt: skip
def test_a_mistake_in_ones_own_file_is_one_line_that_names_it(old, new, said, own):
    assert old in WHOLE
    # What Python adds about where it looked differs between versions.
    assert refusal(own(WHOLE.replace(old, new))).startswith(said)


def test_what_is_no_file_of_code_is_refused(own, tmp_path):
    assert refusal(tmp_path / "none.py") == "none.py: cannot be read: No such file or directory"
    assert refusal(own(WHOLE, "My Bell.py")).startswith("My Bell.py: name the file in small letters")
    assert refusal(own(WHOLE, "bell.txt")).startswith("bell.txt: name the file in small letters")
    assert refusal(own("#" * 1_000_001)) == "bell.py: a sound's file is smaller than 1 MB"
    assert refusal(own(b"\0\0")).startswith("bell.py")
    assert refusal(own(b"# \xff\n")).startswith("bell.py")


def test_a_file_that_failed_leaves_nothing_behind(own):
    import sys

    before = set(sys.modules)
    refusal(own("raise RuntimeError"))
    assert set(sys.modules) == before
