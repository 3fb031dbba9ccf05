"""pyo, its server rendering offline in blocks of 512 frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines import pypi, work

NAME = "pyo"

VARIANTS = {
    "W1": {"LFO": "LFO, type saw, edges rounded a little, Pan; pitch moved in every frame"},
    "W2": {"Sine": "Sine, levels moved in every frame"},
    "W3": {"ComplexRes": "ComplexRes, 250 a side"},
    "W4": {"Granule": "Granule, straight lines, 500 grains/s a side, no panning of each"},
    "W5": {"STRev": "STRev, 8 combs, still"},
    "W6": {"CvlVerb": "CvlVerb a side, size 512"},
    "W7": {"Reson": "PinkNoise, Reson swept in every frame, Pan"},
}


def version() -> str | None:
    return pypi.version("pyo")


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    return pypi.command(__file__, name, variant, probe, seconds, folder, out)


def _sine(lfo: work.Lfo, pyo: Any, **scaled: Any) -> Any:
    return pyo.Sine(lfo.rate_hz.tolist(), phase=lfo.phase.tolist(), **scaled)


def _panned(sound: Any, pan: Any, pyo: Any) -> Any:
    return pyo.Pan(sound, outs=2, pan=(0.5 * (pan + 1.0)).tolist(), spread=0)


def _job(name: str, probe: bool, folder: Path, pyo: Any) -> list[Any]:
    """What is heard, and what has to be kept for it."""
    if name == "W1":
        saws = work.saws(probe)
        moved = 2.0 ** (saws.drift_st / 12.0) - 1.0
        pitch = _sine(saws.lfo, pyo, mul=(moved * saws.hz).tolist(), add=saws.hz.tolist())
        return [_panned(pyo.LFO(pitch, sharp=1.0, type=0, mul=saws.level), saws.pan, pyo)]
    if name == "W2":
        partials = work.partials(probe)
        heard = []
        for side in range(2):
            lfo = work.Lfo(partials.lfo.rate_hz[side::2], partials.lfo.phase[side::2])
            level = _sine(lfo, pyo, mul=0.4 * partials.level, add=0.6 * partials.level)
            heard += [pyo.Sine(partials.hz[side::2].tolist(), mul=level).mix(1), level]
        return heard[0::2] + heard[1::2]
    if name == "W3":
        modes = work.modes(probe)
        clicks = pyo.Trig().play() if probe else pyo.Metro(modes.every_s).play()
        # Its decay is the time in which a mode falls to 1 / e.
        bank = [
            pyo.ComplexRes(
                clicks,
                modes.hz[side::2].tolist(),
                (modes.t60_s[side::2] / 6.907755).tolist(),
                mul=modes.level,
            ).mix(1)
            for side in range(2)
        ]
        return [*bank, clicks]
    if name == "W4":
        grains = work.grains(probe)
        table = pyo.SndTable(str(folder / ("tone.wav" if probe else "source.wav")))
        window = pyo.HannTable(8192)
        low, high = grains.ratio
        place = [pyo.Noise(0.5 * table.getSize(), 0.5 * table.getSize()) for _ in range(2)]
        pitch = [pyo.Noise(0.5 * (high - low), 0.5 * (high + low)) for _ in range(2)]
        density = 0.5 * grains.density_hz
        heard = [
            pyo.Granule(table, window, density, pitch[k], place[k], grains.grain_s, mul=grains.level)
            for k in range(2)
        ]
        return [*heard, table, window, place, pitch]
    if name in ("W5", "W6"):
        click = pyo.Trig().play()
        came = [pyo.Sig(click) if probe else pyo.Noise(work.INPUT_LEVEL) for _ in range(2)]
        if name == "W5":
            return [pyo.STRev(came, inpos=[0.0, 1.0], revtime=work.T60_S, cutoff=8000, bal=1), click, came]
        responses = [str(folder / f"{side}.wav") for side in ("left", "right")]
        rung = [
            pyo.CvlVerb(x, response, bal=1, size=512) for x, response in zip(came, responses, strict=True)
        ]
        return [*rung, click, came]
    winds = work.winds(probe)
    sweep = _sine(winds.lfo, pyo, mul=winds.sweep_octaves)
    cutoff = pyo.Pow([2.0] * len(winds.hz), sweep, mul=winds.hz.tolist())
    noise = pyo.PinkNoise([winds.level] * len(winds.hz))
    return [_panned(pyo.Reson(noise, cutoff, winds.q), winds.pan, pyo), sweep, cutoff, noise]


def main() -> None:
    import pyo

    name, _, probe, seconds, folder, out = pypi.asked()
    server = pyo.Server(sr=work.RATE_HZ, nchnls=2, buffersize=512, duplex=0, audio="offline")
    server.setVerbosity(1)
    server.recordOptions(dur=seconds, filename=out, fileformat=0, sampletype=3)
    server.boot()
    kept = _job(name, probe, folder, pyo)
    if name in ("W1", "W5", "W7"):
        kept[0].out()
    else:
        for side in range(2):
            kept[side].out(side)
    server.start()


if __name__ == "__main__":
    main()
