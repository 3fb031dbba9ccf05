"""Whatever a file holds, reading it ends soon, in a ScoreError of one line."""

import os

import pytest
from small_scores import MINIMAL

from resonance.score import ScoreError, load


def refusal(path) -> str:
    with pytest.raises(ScoreError) as caught:
        load(path)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 600
    return said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = " + "[" * 100_000, "a.toml:1: its lists or tables lie too deep in one another"),
        ("a = " + "{a=" * 50_000, "a.toml:1: its lists or tables lie too deep in one another"),
        ("a = 1\n[" + "a." * 99_000 + "a]", "a.toml:2: a key has at most 32 dots"),
        ("a." * 99_000 + "a = 1", "a.toml:1: a key has at most 32 dots"),
        ("\nseed = " + "9" * 5000, "a.toml:2: a number has too many digits"),
        ("bpm = 1" + "0" * 400 + "\n" + MINIMAL,
         "a.toml:1: bpm is about 1e400 bpm; it must be between 20 and 240 bpm"),
        ("bpm = 1e400\n" + MINIMAL, "a.toml:1: bpm is inf bpm; it must be between 20 and 240 bpm"),
        ("format = 1\n\0", "a.toml:2: is no TOML: Invalid statement, column 1"),
        ("\n\n" + "\N{LATIN SMALL LETTER E WITH ACUTE}", "a.toml:3: is no TOML: Invalid statement, column 1"),
        (b"\n\xff\xfe", "a.toml:2: is not UTF-8; save it as UTF-8"),
        (MINIMAL.encode("utf-16"), "a.toml:1: is not UTF-8; save it as UTF-8"),
        (b"\xef\xbb\xbf" + MINIMAL.encode(),
         "a.toml:1: begins with a byte order mark; save it as UTF-8 without one"),
        (b"x" * 10_000_000, "a.toml: has 10000000 bytes; at most 200000 are read"),
        ("", "a.toml:1: format is missing; write format = 1"),
    ],
    ids=range(14),
)  # fmt: skip
def test_hostile_text_is_refused(content, said, written):
    assert refusal(written(content)) == said


@pytest.mark.parametrize(
    "content",
    [
        "a = [" + "1," * 99_000 + "]",
        "a = '''" + "'a" * 120_000,
        'a = """' + "\\n" * 120_000 + '"""',
        "[[scene]]\n" * 19_000,
        "".join(f"[a{i}]\n" for i in range(19_000)),
        "".join(f"{'k' * 59}{i % 7}{i} = 1\n" for i in range(3_000)),
        "k" * 199_000 + " = 1",
        "'" + "\t" * 199_000 + "' = 1",
        "format = 1\n[[scene]]\nname = 'a'\nlength = 9\nvalence = [" + "2," * 9_999 + "]",
        "format = 1\n[[scene]]\nname = 'a'\nlength = 9\nvalence = [" + "[0,0]," * 9_999 + "]",
        "format = 1\n[[scene]]\nname = 'a'\nlength = 9\nsounds = [" + "'drome'," * 20_000 + "]",
        "sounds = [" + "'../a.py'," * 18_000 + "]",
        "tuning = [" + "'1/1'," * 128 + "]",
        "title = '\u202e\u0007'",
        os.urandom(199_000),
    ],
    ids=range(15),
)
def test_tiresome_text_is_refused(content, written):
    refusal(written(content))


def test_what_is_no_plain_file_is_never_opened(written, tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    assert refusal("pipe.toml") == "pipe.toml: is no plain file; give the path of a .toml file"
    assert refusal("/dev/zero") == "/dev/zero: is no plain file; give the path of a .toml file"
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; give the path of a .toml file"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\0b.toml", "a\nb.toml", "n" * 5000 + ".toml", "", "\0", "n" * 5000]
)
def test_hostile_names_are_refused(name, written):
    refusal(name)
