"""Makes the pages and pictures of this folder.

    python docs/make.py               # from the declarations: docs/sounds/, effects.md, controllers.md
    python docs/make.py --pictures    # also every picture: renders the dream once, in a minute or two

The render stays in `renders/`, for `renders/preview.py` to cut its minute from.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import tomllib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from resonance import effects, sounds
from resonance.analysis.pictures import (
    Outline,
    picture_of_audio,
    picture_of_scene,
    picture_of_score,
    picture_of_sound,
)
from resonance.cli.look import parameter_row
from resonance.cli.progress import rendering
from resonance.contract import MAX_STEPS
from resonance.dsp import GRID_FRAMES
from resonance.engine import Engine
from resonance.inputs import learn, maps, osc, targets
from resonance.outputs.file import Writer
from resonance.score import Score, load
from resonance.units import Parameter, parameters

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
WHOLE_PIXELS = (1000, 800)
BLOCK_FRAMES = MAX_STEPS * GRID_FRAMES
CAPTIONS = tomllib.loads((DOCS / "captions.toml").read_text(encoding="utf-8"))
ALONE_S = 24
"""How many seconds of a sound its picture shows, where it is loudest; unless its caption knows better."""

COLUMNS = ("key", "unit", "range", "default", "meaning", "MIDI and OSC target")
MADE = "<!-- Made by docs/make.py from the declarations; change them, not this. -->"


# The pages


def pages(score: Score) -> dict[Path, str]:
    """Every page that is made from declarations, by its path under docs/."""
    scenes_of = {
        name: [scene.name for scene in score.scenes if name in scene.sounds] for name in sounds.names()
    }
    told = {Path("sounds") / f"{name}.md": _page(name, scenes_of[name]) for name in scenes_of}
    return told | {
        Path("sounds/README.md"): _index(scenes_of, score),
        Path("effects.md"): _effects(),
        Path("controllers.md"): _controllers(),
    }


def _page(name: str, scenes: list[str]) -> str:
    """What one hears, its picture, what it follows, and what it can be asked for."""
    sound = sounds.sound(name)
    heard = ", ".join(f"[{scene}](../dream.md#{scene})" for scene in scenes)
    seen = CAPTIONS.get(name, {}).get("see")
    caption = f"*{seen}*" if seen else ""
    picture = f"![{name}: spectrogram of some seconds](../pictures/{name}.webp)\n\n{caption}".strip()
    where = f"Alone and dry; the frame above shows when. It plays in {heard or 'no scene'} of the dream."
    first, *others = _stressed(sound.doc).split("\n\n")
    facts = [f"*{key}:* {text}" for key, text in sound.patch.facts.items()]
    more = f"[Its code](../../resonance/sounds/{name}.py) · [all sounds](README.md)"
    table = _table(name, sound.patch)
    return _joined(f"# {name}", first, picture, where, *others, "## Parameters", table, *facts, more)


def _index(scenes_of: Mapping[str, list[str]], score: Score) -> str:
    order = [scene.name for scene in score.scenes]
    rows: list[tuple[str, ...]] = [("sound", "what you hear", "in the dream")]
    for name in sorted(scenes_of, key=lambda name: [order.index(scene) for scene in scenes_of[name]] or [99]):
        heard = ", ".join(f"[{scene}](../dream.md#{scene})" for scene in scenes_of[name])
        rows.append((f"[{name}]({name}.md)", _summary(sounds.sound(name).patch), heard))
    return _joined(
        "# The sounds",
        "In the order in which the dream meets them. Each page shows the sound alone, tells what it\n"
        "follows, and lists what a score can ask of it; `resonance show NAME` tells the same in a terminal.\n"
        "What lies over all of them: [effects](../effects.md). Your own: [how to make it](../sound.md).",
        _rows(rows),
    )


def _effects() -> str:
    parts = [
        "# The effects",
        "What the sound of a whole piece goes through. A score sets them in a table of their name, for the\n"
        "piece or for a scene: `fog = { density = [0, 1] }`.",
    ]
    for name, patch in effects.catalogue().items():
        doc = (sys.modules[patch.__module__].__doc__ or "").strip()
        parts += [f"## {name}", _stressed(doc), _table(name, patch)]
    return _joined(*parts)


def _controllers() -> str:
    """What a map can say, what the default one says, what is not learned, and what OSC is understood."""
    keys: list[tuple[str, ...]] = [("key", "range", "default", "meaning")]
    pads = keys.copy()
    for rows, declared in ((keys, maps.CONTROL), (pads, maps.PAD)):
        for name, parameter in declared.items():
            key, _, span, default, meaning, _ = parameter_row("", name, parameter)
            rows.append((f"`{key}`", span, default, meaning))
    keys += [
        ("`target`", "a name as below", "", "what it moves"),
        ("`low`, `high`", "of the target", "its own; of a level from -48 dB", "the travel"),
        ("`pickup`", "true, false", "true", "wait until the control is where its target is"),
        ("`device`", "a text", "any", "a part of the port's name"),
    ]
    pads += [("`scene`", "a scene's name", "", "what it launches, in place of an `act`"), keys[-1]]
    moved: list[tuple[str, ...]] = [("control", "moves", "from", "to")]
    for control in maps.load().controls:
        aim = control.target
        unit = f" {aim.parameter.unit}" if aim.parameter.unit else ""
        moved.append((f"CC {control.number}", f"`{aim.name}`", f"{aim.low:g}{unit}", f"{aim.high:g}{unit}"))
    arc: list[tuple[str, ...]] = [("target", "range", "meaning")]
    for name, parameter in targets.arc().items():
        arc.append((f"`{name}`", parameter.expected().removeprefix("between "), parameter.meaning))
    refused: list[tuple[str, ...]] = [("controller", "why")]
    refused += [(str(number), f"it {why}") for number, why in learn.REFUSED.items()]
    return _joined(
        "# Controllers",
        "How they are played: [perform](perform.md).",
        "## The map that comes along",
        f"Keys play `{maps.load().sound}`, channel 10 the `{maps.load().sounds[9]}`.",
        _rows(moved),
        "## A `[[control]]` of a map",
        _rows(keys),
        "Exactly one of `cc`, `cc14` and `nrpn` names the control.",
        "## A `[[pad]]` of a map",
        _rows(pads),
        "Exactly one of `note`, `program` and `cc` names the pad.",
        "## Targets",
        "The arc and the heart, and every parameter that follows curves: as `fog.density`, `drone.glow`,\n"
        "each in its own table of [the effects](effects.md) and of [the sounds](sounds/README.md).",
        _rows(arc),
        "## What is not learned",
        _rows(refused),
        "## OSC",
        _rows([("address and arguments", "what it does"), *((f"`{a}`", said) for a, said in osc.ADDRESSES)]),
        "Ints, floats and doubles are taken alike; values beyond a range are held at its end. Answers, and\n"
        "what `/listen` sends:",
        _rows([("address", "what it tells"), *((f"`{a}`", said) for a, said in osc.ANSWERS)]),
    )


def _stressed(doc: str) -> str:
    """A docstring with the beginnings of its last paragraphs set off."""
    return doc.replace("\nWhat it follows", "\n**What it follows**").replace("\nSource:", "\n**Source:**")


def _table(owner: str, patch: type) -> str:
    return _rows([COLUMNS, *(_row(owner, key, found) for key, found in parameters(patch).items())])


def _row(owner: str, key: str, declared: Parameter) -> tuple[str, ...]:
    key, *told, target = parameter_row(owner, key, declared)
    targets = " ".join(f"`{one}`" for one in target.split()) if declared.follows_curves else target
    return f"`{key}`", *told, targets


def _rows(rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown; its first row is the head."""
    head, *others = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "| " + " | ".join(["---"] * len(rows[0])) + " |", *others])


def _summary(patch: type) -> str:
    return (patch.__doc__ or "").strip().partition("\n")[0]


def _joined(*parts: str) -> str:
    return "\n\n".join((MADE, *parts)) + "\n"


# The pictures


@dataclass
class Alone:
    """A sound by itself while the piece goes by: its level, block by block, and the blocks worth showing."""

    shown: int
    """How many blocks are shown."""

    begins: int | None
    """The block to begin with; where there is none, the loudest are shown."""

    levels_db: list[float] = field(default_factory=list)
    recent: deque[np.ndarray] = field(default_factory=deque)
    kept: list[np.ndarray] = field(default_factory=list)
    kept_from: int = 0
    _loudness: float = 0.0
    _loudest: float = -1.0

    def hear(self, block: np.ndarray) -> None:
        """Takes its next block, (2, frames)."""
        self.levels_db.append(10.0 * math.log10(float(np.mean(block**2)) + 1e-12))
        self.recent.append(block.copy())
        self._loudness += _counted(self.levels_db[-1])
        if len(self.recent) <= self.shown:
            return
        self.recent.popleft()
        first = len(self.levels_db) - self.shown
        self._loudness -= _counted(self.levels_db[first - 1])
        # Where silence goes before, as good is better later: the picture begins with the sound.
        if first == self.begins or (self.begins is None and self._loudness >= self._loudest):
            self._loudest, self.kept_from, self.kept = self._loudness, first, list(self.recent)


def _counted(level_db: float) -> float:
    """What a block adds to loudness: in dB, so that a sound that stays counts for more than one blow."""
    return max(0.0, level_db + 90.0)


def draw(score: Score) -> None:
    """Renders the piece once, with its stems, and draws the whole, its scenes and its sounds."""
    outline = Outline.of(score)
    scenes, arc = outline.scenes, (outline.times_s, outline.curves)
    render = DOCS.parent / "renders" / f"{score.name}-{score.seed}.wav"
    PICTURES.mkdir(exist_ok=True)
    for name, alone in rendered(score, scenes, render).items():
        picture = PICTURES / f"{name}.webp"
        _tell(picture)
        start_s = alone.kept_from * BLOCK_FRAMES / score.rate
        audio = np.concatenate(alone.kept, axis=1).T
        picture_of_sound(audio, score.rate, picture, start_s, scenes, np.array(alone.levels_db))
    for number, (name, start_s, end_s) in enumerate(scenes):
        picture = PICTURES / f"scene_{name}.webp"
        _tell(picture)
        audio, rate_hz = soundfile.read(
            render, start=round(start_s * score.rate), stop=round(end_s * score.rate), dtype="float32"
        )
        picture_of_scene(audio, rate_hz, picture, start_s, arc, number)
    _tell(PICTURES / "night.webp")
    picture_of_score(Outline.of(_night()), PICTURES / "night.webp", (1000, 560))
    _tell(PICTURES / "dream.webp")
    picture_of_audio(render, PICTURES / "dream.webp", arc, scenes, WHOLE_PIXELS)


def _alone(caption: Mapping[str, Any], blocks_hz: float) -> Alone:
    begins = round(caption["from_s"] * blocks_hz) if "from_s" in caption else None
    return Alone(round(caption.get("seconds", ALONE_S) * blocks_hz), begins)


def _night() -> Score:
    """The score at which docs/score.md arrives, its longest."""
    blocks = (DOCS / "score.md").read_text(encoding="utf-8").split("```toml\n")[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "night.toml"
        path.write_text(max((block.partition("```")[0] for block in blocks), key=len), encoding="utf-8")
        return load(path)


def rendered(score: Score, scenes: Sequence[tuple[str, float, float]], path: Path) -> dict[str, Alone]:
    """Renders the piece to a file, and listens meanwhile to each of its sounds by itself."""
    engine = Engine(score, stems=True)
    alone = {name: _alone(CAPTIONS.get(name, {}), engine.rate / BLOCK_FRAMES) for name in engine.heard}
    silence = np.zeros((2, BLOCK_FRAMES), np.float32)
    tags: dict[str, str | int] = {
        "title": score.title,
        "seed": engine.seed,
        "score": score.name,
        "score digest": score.digest,
    }
    markers = [(round(start_s * engine.rate), name) for name, start_s, _ in scenes]
    with (
        rendering(score.duration_s, score) as progress,
        Writer(path, engine.rate, tags=tags, markers=markers, force=True, dither_seed=engine.seed) as writer,
    ):
        for block in engine.blocks():
            early = max(0, engine.latency_frames - block.start)
            writer.write(block.mix[:, early : early + engine.frames - writer.frames].T)
            for name, sound in alone.items():
                sound.hear(block.stems.get(name, silence))
            done_s = min(block.start / engine.rate, score.duration_s)
            progress.at(done_s, engine.timeline.scene_at(done_s).name)
    return alone


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the pages, and where it is asked for the pictures."""
    parser = argparse.ArgumentParser(description="Makes the documentation's pages and pictures.")
    parser.add_argument("--pictures", action="store_true", help="also the pictures: renders the dream once")
    arguments = parser.parse_args(argv)
    score = load("dream")
    (DOCS / "sounds").mkdir(exist_ok=True)
    for path, text in pages(score).items():
        (DOCS / path).write_text(text, encoding="utf-8")
    if arguments.pictures:
        draw(score)


def _tell(path: Path) -> None:
    print(path.relative_to(DOCS.parent), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
