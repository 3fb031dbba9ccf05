"""Cuts the dream's preview: a minute of it, the best seconds of every scene, one fading into the next.

    python renders/preview.py                      # renders the dream first, in a minute or two
    python renders/preview.py renders/dream-1.wav  # cuts from a render that is there

Writes `renders/preview.ogg`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from resonance.analysis.loudness import Meter
from resonance.analysis.recording import read_markers
from resonance.cli import main as resonance
from resonance.dsp import F32
from resonance.outputs.file import write

HERE = Path(__file__).parent
PREVIEW = HERE / "preview.ogg"

CROSSFADE_S = 0.8
BEGINS_S, ENDS_S = 0.4, 3.5

MEANT_LUFS = -17.0
NEARER = 0.5
MOST_DB = 12.0
"""A cut comes halfway to this loudness, lifted by no more than this: what is quiet stays so, and is heard."""

PEAK_DBTP = -1.5


@dataclass(frozen=True)
class Cut:
    """Some seconds of a scene, from `from_s` after its beginning on, and what is to be heard in them."""

    scene: str
    from_s: float
    seconds: float
    why: str


CUTS = (
    Cut("base", 48.0, 5.5, "the hum and the star sea, the city come near"),
    Cut("ascent", 33.5, 7.2, "a crystal has let go of laughter; then crystals climb the theme"),
    Cut("doubt", 63.5, 5.5, "the shadow in the fog, and the knees give way"),
    Cut("heartbeat", 36.4, 4.5, "the drum, near, and the mountain's first harmonic"),
    Cut("moonlight", 38.5, 6.0, "the theme turned over, and at its end the seed"),
    Cut("visions", 16.8, 6.0, "a voice breaks off in the desert; the hollow summit"),
    Cut("seed", 2.4, 4.2, "the fire catches"),
    Cut("tree", 44.6, 6.3, "the octave is reached, the ground comes home"),
    Cut("agony", 58.5, 4.6, "blades, screams, steps, breath"),
    Cut("mirror", 32.6, 4.6, "the storm crosses from light to shadow"),
    Cut("fall", -1.0, 5.6, "the touch, the shatter, and out"),
    Cut("awakening", 48.4, 8.2, "the ember outlasts the room"),
)
"""Chosen by spectrogram and event log of seed 1: the theme is heard as it climbs, turns and arrives."""


def cuts_of(render: Path) -> tuple[list[F32], int]:
    """Each cut as the render has it, (frames, 2), and the rate."""
    begins = {name: frame for frame, name in read_markers(render)}
    with soundfile.SoundFile(render) as file:
        rate_hz = file.samplerate
        cuts = []
        for cut in CUTS:
            file.seek(begins[cut.scene] + round(cut.from_s * rate_hz))
            cuts.append(file.read(round(cut.seconds * rate_hz), dtype="float32", always_2d=True))
    return cuts, rate_hz


def levelled(cut: F32, rate_hz: int) -> F32:
    """The cut halfway to the loudness that is meant."""
    meter = Meter(rate_hz)
    meter.add(cut)
    gain_db = min(MOST_DB, NEARER * (MEANT_LUFS - meter.integrated()))
    return cut * np.float32(10.0 ** (gain_db / 20.0))


def joined(cuts: Sequence[F32], rate_hz: int) -> F32:
    """All cuts in a row, overlapping; where they do, their powers add up to one."""
    over = round(CROSSFADE_S * rate_hz)
    rises = np.sin(0.5 * np.pi * (np.arange(over) + 0.5) / over).astype(np.float32)[:, None]
    whole = np.zeros((sum(len(cut) - over for cut in cuts) + over, 2), np.float32)
    at = 0
    for number, cut in enumerate(cuts):
        faded = cut.copy()
        if number > 0:
            faded[:over] *= rises
        if number < len(cuts) - 1:
            faded[-over:] *= rises[::-1]
        whole[at : at + len(cut)] += faded
        at += len(cut) - over
    for seconds, edge in ((BEGINS_S, whole), (ENDS_S, whole[::-1])):
        frames = round(seconds * rate_hz)
        edge[:frames] *= np.sin(0.5 * np.pi * np.arange(frames) / frames).astype(np.float32)[:, None] ** 2
    return whole


def under_peak(audio: F32, rate_hz: int) -> F32:
    """The same, no louder than its true peak allows."""
    meter = Meter(rate_hz)
    meter.add(audio)
    return audio * np.float32(min(1.0, 10.0 ** ((PEAK_DBTP - meter.true_peak_dbtp) / 20.0)))


def main(argv: Sequence[str] | None = None) -> int:
    """Renders where there is nothing to cut from, and writes the preview."""
    parser = argparse.ArgumentParser(description="Cuts a minute from the dream, the best of every scene.")
    parser.add_argument(
        "render", nargs="?", type=Path, help="a WAV of the whole dream; without it, it is rendered"
    )
    render = parser.parse_args(argv).render
    if render is None:
        render = HERE / "dream-1.wav"
        if code := resonance(["render", "dream", "--seed", "1", "-o", str(render), "--force"]):
            return code
    cuts, rate_hz = cuts_of(render)
    preview = under_peak(joined([levelled(cut, rate_hz) for cut in cuts], rate_hz), rate_hz)
    write(PREVIEW, preview, rate_hz, title="The Dream, a minute of it")
    megabytes = PREVIEW.stat().st_size / 1e6
    print(f"{PREVIEW}: {len(preview) / rate_hz:.1f} s, {megabytes:.2f} MB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
