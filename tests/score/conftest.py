"""A small registry of its own, so that these tests hold whatever the real sounds declare."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from resonance import effects, sounds
from resonance.units import choice, file, seconds

DRONE = '''"""A hum."""
from dataclasses import dataclass
from resonance.contract import Patch, Voice
from resonance.units import choice, count, hz, part

@dataclass(frozen=True)
class Drone(Patch):
    root_hz: float = hz(55.0, 20.0, 200.0, "its root")
    glow: float = part(0.4, "how much it glows")
    partials: int = count(8, 1, 64, "how many partials")
    wall: str = choice("stone", ("stone", "glass"), "what it hums in")

class DroneVoice(Voice):
    pass
'''

MEMORIES = '''"""Shards."""
from dataclasses import dataclass
from resonance.contract import Patch, Voice
from resonance.units import files, part

@dataclass(frozen=True)
class Memories(Patch):
    blur: float = part(0.1, "how blurred they are")
    files: tuple = files("recordings to remember")

class MemoriesVoice(Voice):
    pass
'''


@dataclass(frozen=True)
class Space:
    """A room."""

    t60_s: float = seconds(4.0, 0.1, 60.0, "how long it rings")
    shape: str = choice("valley", ("valley", "cave"), "what shape it has")
    response: str = file("a room that was recorded", 30.0)


@pytest.fixture
def registry(tmp_path_factory, monkeypatch):
    """Sounds drone, memories and room, and an effect space."""
    folder = tmp_path_factory.mktemp("registry")
    found = {}
    for name, text in (("drone", DRONE), ("memories", MEMORIES), ("room", DRONE)):
        (folder / f"{name}.py").write_text(text)
        found[name] = sounds.own_sound(folder / f"{name}.py")
    monkeypatch.setattr(sounds, "names", lambda: tuple(sorted(found)))
    monkeypatch.setattr(sounds, "sound", lambda name: found[name])
    monkeypatch.setattr(effects, "catalogue", lambda: {"space": Space})


@pytest.fixture
def written(tmp_path, monkeypatch, registry):
    """Writes a score's text into the current folder; gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "a.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
