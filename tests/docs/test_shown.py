"""Everything that the documentation shows runs: its scores, its Python, its commands."""

import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import resonance
from resonance.cli import _parser, main
from resonance.cli.plan import plan
from resonance.engine import Engine
from resonance.engine.performance import Performance
from resonance.inputs import maps
from resonance.outputs import notes
from resonance.score import load
from resonance.units import level_from_db

REPOSITORY = Path(__file__).parent.parent.parent
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "renders" / "README.md", *sorted(DOCS.rglob("*.md"))]
CHEAP = ("show", "check", "presets", "schema")


def shown(page: Path, language: str) -> list[str]:
    """The blocks of code of this language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command that is shown, with its page; a line with `&&` holds several."""
    found = []
    for page in PAGES:
        lines = [
            line.partition("  #")[0].strip() for block in shown(page, "sh") for line in block.splitlines()
        ]
        found += [(page.name, part.strip()) for line in lines for part in line.split("&&") if part.strip()]
    return found


def whole_scores() -> list[str]:
    texts = [text for page in PAGES for text in shown(page, "toml") if text.startswith("format = 1")]
    return [text for text in texts if "[[control]]" not in text]


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A take of two seconds."""
    path = tmp_path_factory.mktemp("take") / "a.take"
    performance = Performance(load("hum"), 44_100)
    performance.render(88_200)
    performance.keep().write(path)
    return path


@pytest.fixture
def folder(take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every file that the pages take for granted."""
    tone = np.sin(np.arange(24_000) * 0.05)[:, None].astype(np.float32) * 0.3
    for name in ("laugh.wav", "rain.flac", "hall.wav"):
        resonance.write(tmp_path / name, tone, 48_000)
    notes.write(tmp_path / "song.mid", [notes.Note(0.2, 0.5, 440.0, 90, "keys")], [], 1.0, "a song")
    bell = shown(DOCS / "sound.md", "python")[0]
    for name in ("bell.py", "my_sound.py"):
        (tmp_path / name).write_text(bell)
    (tmp_path / "bells.toml").write_text(shown(DOCS / "sound.md", "toml")[0])
    for name in ("night.toml", "my.toml"):
        (tmp_path / name).write_text(shown(DOCS / "score.md", "toml")[4])
    shutil.copy(take, tmp_path / "a.take")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(5))
def test_each_step_of_the_ten_minutes_is_heard(number: int, folder: Path) -> None:
    """Every sound that a step's score names, squeezed into half a minute, is heard."""
    text = shown(DOCS / "score.md", "toml")[number]
    (folder / "night.toml").write_text(text)
    assert main(["check", "night.toml"]) == 0
    score = load(folder / "night.toml")
    engine = Engine(score, 44_100, duration_s=12.0 * len(score.scenes), stems=True)
    loudest = dict.fromkeys(score.sounds, 0.0)
    for block in engine.blocks():
        assert np.isfinite(block.mix).all()
        for name, stem in block.stems.items():
            loudest[name] = max(loudest[name], float(np.abs(stem).max()))
    quiet = [name for name, peak in loudest.items() if peak < level_from_db(-70.0)]
    assert not quiet
    assert not engine.messages


def test_the_steps_grow() -> None:
    """Each step keeps the scenes of the one before it."""
    steps = shown(DOCS / "score.md", "toml")[:5]
    names = [re.findall(r'^name = "(\w+)"', step, re.MULTILINE) for step in steps]
    assert all(after[: len(before)] == before for before, after in pairwise(names))
    assert [len(step) for step in steps] == sorted(len(step) for step in steps)


def test_every_score_validates(folder: Path) -> None:
    for page in PAGES:
        for text in shown(page, "toml"):
            score = folder / "shown.toml"
            if "[[control]]" in text:
                score.write_text(text)
                assert maps.load(score).controls, f"{page.name}: {text}"
                continue
            if "[[job]]" in text:
                score.write_text(text)
                assert plan(score, False), f"{page.name}: {text}"
                continue
            whole = text if "[[scene]]" in text else f'{text}\n[[scene]]\nname = "only"\nlength = 60\n'
            score.write_text(whole if whole.startswith("format") else f"format = 1\n{whole}")
            assert main(["check", str(score), "--allow-code"]) == 0, f"{page.name}: {text}"


def test_python_runs(folder: Path) -> None:
    """Each block as it stands, but for a piece of a second in place of the dream's twelve minutes."""
    (folder / "short.toml").write_text(
        'format = 1\n[[scene]]\nname = "only"\nlength = 1\nsounds = ["drone", "crystals"]\n'
    )
    blocks = [(page, text) for page in PAGES for text in shown(page, "python")]
    assert blocks
    for page, text in blocks:
        code = compile(text.replace('load("dream")', 'load("short.toml")'), str(page), "exec")
        if "class " not in text:
            exec(code, {})
    assert (folder / "dream.flac").exists()


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_are_there(
    page: str, command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is shown parses as it stands, and runs, renders for a second; not what measures or installs."""
    words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S+", word)]
    words = words[: words.index(">")] if ">" in words else words
    program = Path(words[0]).name
    if program == "resonance":
        arguments = _parser().parse_args(words[1:])
        # A loop is a whole piece; and sound is no text to be captured.
        if arguments.command == "render" and not arguments.loop and arguments.output != "-":
            assert main([*words[1:], "--end", "1"]) == 0
        if arguments.command in CHEAP:
            assert main(words[1:]) == 0
            assert capsys.readouterr().out or arguments.command == "check"
        if arguments.command == "inspect" and words[2].endswith(".toml"):
            assert main(words[1:]) == 0
            assert Path(arguments.output).stat().st_size > 10_000
    elif program == "python" and not words[1].startswith("-"):
        assert (REPOSITORY / words[1]).exists()
        source = (REPOSITORY / words[1]).read_text()
        assert all(option in source for option in words[2:] if option.startswith("--"))
    elif program == "pytest":
        assert all((REPOSITORY / word).exists() for word in words[1:] if word.endswith(".py"))
    else:
        assert shutil.which(program) or program in ("pip", Path(sys.executable).name), f"{page}: {command}"
