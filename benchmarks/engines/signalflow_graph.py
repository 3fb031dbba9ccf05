"""SignalFlow, rendering its graph to buffers of 8192 frames.

It is not asked for W2: 1000 partials are 3000 nodes to it, and render slower than they last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engines import pypi, work

NAME = "SignalFlow"

VARIANTS = {
    "W1": {"SawOscillator": "SawOscillator, not band-limited, StereoPanner"},
    "W4": {"Granulator": "Granulator, straight lines"},
    "W7": {"SVFilter": "PinkNoise, SVFilter swept, another resonance than asked, StereoPanner"},
}


def version() -> str | None:
    return pypi.version("signalflow")


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    return pypi.command(__file__, name, variant, probe, seconds, folder, out)


def _sine(lfo: work.Lfo, i: int, low: float, high: float, sf: Any) -> Any:
    return sf.SineLFO(float(lfo.rate_hz[i]), float(low), float(high), float(lfo.phase[i]))


def _panned(sounds: list[Any], pan: np.ndarray, level: float, sf: Any) -> Any:
    return (
        sf.Sum([sf.StereoPanner(sound, float(place)) for sound, place in zip(sounds, pan, strict=True)])
        * level
    )


def _job(name: str, probe: bool, folder: Path, sf: Any) -> Any:
    if name == "W1":
        saws = work.saws(probe)
        moved = 2.0 ** (saws.drift_st / 12.0)
        pitches = (_sine(saws.lfo, i, hz / moved, hz * moved, sf) for i, hz in enumerate(saws.hz))
        return _panned([sf.SawOscillator(pitch) for pitch in pitches], saws.pan, saws.level, sf)
    if name == "W4":
        grains = work.grains(probe)
        buffer = sf.Buffer(str(folder / ("tone.wav" if probe else "source.wav")))
        low, high = grains.ratio
        rate = sf.WhiteNoise(0, low, high) if high > low else low
        place, pan = sf.WhiteNoise(0, 0.0, buffer.duration - 0.5), sf.WhiteNoise(0, -1.0, 1.0)
        clock = sf.Impulse(grains.density_hz)
        return sf.Granulator(buffer, clock, place, grains.grain_s, 1.0, pan, rate) * grains.level
    winds = work.winds(probe)
    sounds = []
    for i, hz in enumerate(winds.hz):
        sweep = _sine(winds.lfo, i, hz * 2.0**-winds.sweep_octaves, hz * 2.0**winds.sweep_octaves, sf)
        sounds.append(sf.SVFilter(sf.PinkNoise(), "band_pass", sweep, 0.8))
    return _panned(sounds, winds.pan, winds.level, sf)


def main() -> None:
    import signalflow as sf

    name, _, probe, seconds, folder, out = pypi.asked()
    config = sf.AudioGraphConfig()
    config.sample_rate = work.RATE_HZ
    graph = sf.AudioGraph(config=config, output_device=sf.AudioOut_Dummy(2, work.RATE_HZ, 512), start=False)
    graph.play(_job(name, probe, folder, sf))
    buffer = sf.Buffer(2, pypi.BLOCK_FRAMES)

    def block(_: int) -> np.ndarray:
        graph.render_to_buffer(buffer)
        return buffer.data

    pypi.write(out, seconds, block)


if __name__ == "__main__":
    main()
