"""`resonance sheet`: a contact sheet, a short preview and a picture of each seed, and one page of them."""

from __future__ import annotations

import argparse
import html
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import resonance
from resonance.analysis.pictures import arc_of, picture_of_audio
from resonance.cli import CallError
from resonance.cli.production import Job, Made, produce
from resonance.cli.progress import rendering
from resonance.cli.render import LEAST_S, MOST_S, check_sounds, refuse_existing
from resonance.outputs.file import part_of
from resonance.score import Score, Timeline

PIXELS = (960, 600)
PAGE = "index.html"


def run(arguments: argparse.Namespace) -> int:
    """Renders the previews, draws them, writes the page, and returns the exit code."""
    if not LEAST_S <= arguments.duration <= MOST_S:
        raise CallError(f"--duration is {arguments.duration:g} s; it must be between 1m and 24h")
    score = resonance.load(arguments.score, allow_code=arguments.allow_code)
    check_sounds(score, locks=dict(arguments.lock))
    folder = Path(arguments.output)
    if (folder / PAGE).exists() and not arguments.force:
        raise CallError(f"{folder / PAGE} exists already: give another folder, or --force to overwrite it")
    previews = {seed: folder / f"{score.name}-{seed}.ogg" for seed in arguments.seeds}
    pictures = [preview.with_suffix(".png") for preview in previews.values()]
    refuse_existing((*previews.values(), *pictures), arguments.force)
    folder.mkdir(parents=True, exist_ok=True)
    arc = arc_of(Timeline(score, arguments.duration))
    made = []
    for seed, preview in previews.items():
        job = Job(
            score,
            preview,
            seed,
            duration_s=arguments.duration,
            locks=dict(arguments.lock),
            workers=arguments.workers,
            force=arguments.force,
        )
        with rendering(arguments.duration, score) as progress:
            made.append(produce(job, progress.at))
        picture_of_audio(preview, preview.with_suffix(".png"), arc=arc, pixels=PIXELS)
        # The page grows with the previews: the first can be heard while the last is rendered.
        part = part_of(folder / PAGE)
        part.write_text(page(score, made, _call(arguments)), encoding="utf-8")
        part.replace(folder / PAGE)
        print(f"{preview}: {made[-1].integrated_lufs:.1f} LUFS", file=sys.stderr)
    print(folder / PAGE)
    return 0


def _call(arguments: argparse.Namespace) -> str:
    """What renders a whole one, but for its seed."""
    locked = (word for name, seed in arguments.lock for word in ("--lock", f"{name}={seed}"))
    return shlex.join(["resonance", "render", arguments.score, *locked])


def page(score: Score, made: Sequence[Made], call: str) -> str:
    """The page: one file without anything from elsewhere, where one preview plays at a time."""
    minutes, seconds = divmod(round(made[0].seconds), 60)
    cards = "\n".join(_card(each, call) for each in made)
    return _PAGE.format(
        title=html.escape(f"{score.title or score.name}: seeds {made[0].seed} to {made[-1].seed}"),
        about=html.escape(f"The whole of it in {minutes}:{seconds:02}, {score.about or score.name}"),
        cards=cards,
    )


def _card(made: Made, call: str) -> str:
    assert made.path is not None
    return _CARD.format(
        seed=made.seed,
        picture=quote(f"{made.path.stem}.png"),
        audio=quote(made.path.name),
        facts=f"{made.integrated_lufs:.1f} LUFS, true peak {made.true_peak_dbtp:.1f} dBTP",
        command=html.escape(f"{call} --seed {made.seed}"),
    )


_CARD = """<article id="seed-{seed}">
<h2>{seed}</h2>
<img src="{picture}" alt="seed {seed}: arc, waveform, spectrogram and loudness" loading="lazy">
<audio src="{audio}" controls preload="none"></audio>
<p>{facts}</p>
<code>{command}</code>
</article>"""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 2rem; background: #0f1116; color: #d8dbe2; font: 15px/1.5 system-ui, sans-serif; }}
main {{ display: grid; gap: 2rem; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); }}
h1, h2 {{ font-weight: 500; margin: 0 0 .5rem; }}
img, audio {{ display: block; width: 100%; }}
p {{ margin: .5rem 0 0; color: #9aa0ad; }}
code {{ font-size: 13px; color: #c9b68a; user-select: all; }}
</style>
<h1>{title}</h1>
<p>{about}</p>
<main>
{cards}
</main>
<script>
document.addEventListener("play", event => {{
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}}, true);
</script>
</html>
"""
