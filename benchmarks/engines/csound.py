"""Csound, rendering an orchestra to a file, with ksmps = 64."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from engines import work

NAME = "Csound"

VARIANTS = {
    "W1": {"vco2": "vco2, band-limited tables, pan2"},
    "W2": {
        "adsynt2": "adsynt2 a side, levels turned in tables by vectorial opcodes",
    },
    "W3": {"mode": "mode, 250 a side"},
    "W4": {"grain3": "grain3, straight lines, 500 grains/s a side, no panning of each"},
    "W5": {"reverbsc": "reverbsc, 8 modulated lines, T60 not to be asked for"},
    "W6": {"ftconv": "ftconv a side, parts of 512"},
    "W7": {
        "butterbp": "pinker, butterbp swept at the control rate, pan2",
        "zdf_2pole": "pinker, zdf_2pole swept at the control rate, pan2",
    },
    "W8": {"reverbsc": "its opcodes of W1 to W5, zdf_2pole, compress2"},
}


def version() -> str | None:
    if shutil.which("csound") is None:
        return None
    told = subprocess.run(["csound", "--version"], capture_output=True, text=True).stderr
    found = re.search(r"Csound version ([\d.]+) \((\w+)", told)
    return f"Csound {found.group(1)} ({found.group(2)} precision)" if found else None


def _sum(names: Iterable[str]) -> str:
    return " + ".join(names)


def _saws(asked: work.Saws) -> str:
    lines = []
    for i, hz in enumerate(asked.hz):
        rate_hz, phase = asked.lfo.rate_hz[i], asked.lfo.phase[i]
        lines.append(f"k{i} oscili {asked.drift_st / 12.0}, {rate_hz}, giSine, {phase}")
        lines.append(f"a{i} vco2 {asked.level}, {hz} * powoftwo(k{i})")
        lines.append(f"aL{i}, aR{i} pan2 a{i}, {0.5 * (asked.pan[i] + 1.0)}")
    lines += [f"a{side} = " + _sum(f"a{side}{i}" for i in range(len(asked.hz))) for side in "LR"]
    return "\n".join(lines)


def _partials(asked: work.Partials) -> str:
    """Both adsynt2 banks read levels that six vectorial opcodes turn like hands of clocks."""
    n, lines = len(asked.hz) // 2, []
    for side in range(2):
        lfo = work.Lfo(asked.lfo.rate_hz[side::2], asked.lfo.phase[side::2])
        for row, values in enumerate(
            (
                asked.hz[side::2],
                lfo.phase,
                lfo.rate_hz * work.STEP_FRAMES / work.RATE_HZ,
            )
        ):
            lines.append(f"i{row}{side} ftgen 0, 0, {-n}, -2, {', '.join(map(repr, map(float, values)))}")
        tables = ("s", "c", "ts", "tc", "x", "y", "amp")
        lines += [f"i{name}{side} ftgen 0, 0, {-n}, -2, 0" for name in tables]
        lines.append(f"""ik = 0
while ik < {n} do
  iphase tab_i ik, i1{side}
  iturn tab_i ik, i2{side}
  tabw_i sin(2 * $M_PI * iphase), ik, is{side}
  tabw_i cos(2 * $M_PI * iphase), ik, ic{side}
  tabw_i sin(2 * $M_PI * iturn), ik, its{side}
  tabw_i cos(2 * $M_PI * iturn), ik, itc{side}
  tabw_i {0.6 * asked.level}, ik, iamp{side}
  ik += 1
od
vcopy ix{side}, is{side}, {n}
vmultv ix{side}, itc{side}, {n}
vcopy iy{side}, ic{side}, {n}
vmultv iy{side}, its{side}, {n}
vaddv ix{side}, iy{side}, {n}
vmultv ic{side}, itc{side}, {n}
vmultv is{side}, its{side}, {n}
vsubv ic{side}, is{side}, {n}
vcopy is{side}, ix{side}, {n}
vmult ix{side}, {0.4 * asked.level}, {n}
vcopy iamp{side}, ix{side}, {n}
vadd iamp{side}, {0.6 * asked.level}, {n}
a{"LR"[side]} adsynt2 1, 1, giSine, i0{side}, iamp{side}, {n}""")
    return "\n".join(lines)


def _modes(asked: work.Modes) -> str:
    lines = [f"aclick mpulse 1, {asked.every_s}"]
    for i, (hz, t60_s) in enumerate(zip(asked.hz, asked.t60_s, strict=True)):
        # Q = pi f tau, and a mode falls by 60 dB in 6.908 tau.
        lines.append(f"a{i} mode aclick, {hz}, {3.141592653589793 * hz * t60_s / 6.907755278982137}")
    for side, letter in enumerate("LR"):
        names = (f"a{i}" for i in range(side, len(asked.hz), 2))
        lines.append(f"a{letter} = {2.0 * asked.level} * ({_sum(names)})")
    return "\n".join(lines)


def _grains(asked: work.Grains) -> str:
    low, high = asked.ratio
    whole_s = work.SOURCE_FRAMES / work.RATE_HZ
    mid, spread = 0.5 * (low + high) / whole_s, 0.5 * (high - low) / whole_s
    overlaps = int(asked.density_hz * asked.grain_s)
    return "\n".join(
        f"a{letter} grain3 {mid}, 0.5, {spread}, 0.5, {asked.grain_s}, {0.5 * asked.density_hz}, {overlaps}, "
        f"giSource, giHann, 0, 0, {7 + side}, 0\na{letter} *= {asked.level}"
        for side, letter in enumerate("LR")
    )


def _input(probe: bool) -> str:
    if probe:
        return "ainL mpulse 1, 10000\nainR = ainL"
    return "\n".join(
        f"ain{letter} rand {work.INPUT_LEVEL}, {0.3 + 0.4 * side}, 1" for side, letter in enumerate("LR")
    )


def _winds(asked: work.Winds, variant: str) -> str:
    lines = []
    for i, hz in enumerate(asked.hz):
        lines.append(
            f"k{i} oscili {asked.sweep_octaves}, {asked.lfo.rate_hz[i]}, giSine, {asked.lfo.phase[i]}"
        )
        lines += [f"kf{i} = {hz} * powoftwo(k{i})", f"ap{i} pinker"]
        if variant == "butterbp":
            lines.append(f"a{i} butterbp ap{i}, kf{i}, kf{i} / {asked.q}")
        else:
            lines.append(f"a{i} zdf_2pole ap{i}, kf{i}, {asked.q}, 3")
        lines.append(f"aL{i}, aR{i} pan2 a{i}, {0.5 * (asked.pan[i] + 1.0)}")
    for letter in "LR":
        names = (f"a{letter}{i}" for i in range(len(asked.hz)))
        lines.append(f"a{letter} = {asked.level} * ({_sum(names)})")
    return "\n".join(lines)


def _scene() -> str:
    filtered = f"""ksweep oscili {work.SCENE_SWEEP_OCTAVES}, {work.SCENE_SWEEP_HZ}, giSine
kcut = {work.SCENE_CUTOFF_HZ} * powoftwo(ksweep)
adryL zdf_2pole aL, kcut, {work.SCENE_Q}, 0
adryR zdf_2pole aR, kcut, {work.SCENE_Q}, 0"""
    parts = [_saws(work.saws(False, work.SCENE_SAWS)), filtered]
    for part in (
        _modes(work.modes(False, work.SCENE_MODES)),
        _grains(work.grains(False, work.SCENE_GRAINS_HZ)),
    ):
        parts += [part, "adryL += aL", "adryR += aR"]
    for hz, late_s in zip(work.HEART_HZ, (0.0, work.HEART_DUB_S), strict=True):
        q = 3.141592653589793 * hz * work.HEART_T60_S / 6.907755278982137
        parts += [f"abeat mpulse 1, 1, {late_s}", f"athump mode abeat, {hz}, {q}"]
        parts += [f"adry{letter} += {work.HEART_LEVEL} * athump" for letter in "LR"]
    parts.append(f"awetL, awetR reverbsc adryL * {work.SCENE_SEND}, adryR * {work.SCENE_SEND}, 0.93, 8000")
    for letter in "LR":
        parts.append(f"amix{letter} = adry{letter} + awet{letter}")
        # A limiter as its manual has it: everything over the knee at 100 to 1, looking ahead 5 ms.
        parts.append(
            f"a{letter} compress2 amix{letter}, amix{letter}, -90, -1.4, -0.9, 100, 0.001, 0.1, 0.005"
        )
    return "\n".join(parts)


def _body(name: str, variant: str, probe: bool) -> str:
    if name == "W1":
        return _saws(work.saws(probe))
    if name == "W2":
        return _partials(work.partials(probe))
    if name == "W3":
        return _modes(work.modes(probe))
    if name == "W4":
        return _grains(work.grains(probe))
    if name == "W5":
        return f"{_input(probe)}\naL, aR reverbsc ainL, ainR, 0.93, 8000"
    if name == "W6":
        return "\n".join(
            (
                _input(probe),
                "aL ftconv ainL, giLeft, 512",
                "aR ftconv ainR, giRight, 512",
            )
        )
    if name == "W7":
        return _winds(work.winds(probe), variant)
    return _scene()


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    head = [f"sr = {work.RATE_HZ}", f"ksmps = {work.STEP_FRAMES}", "nchnls = 2", "0dbfs = 1"]
    head.append("giSine ftgen 0, 0, 65536, 10, 1")
    if name in ("W4", "W8"):
        source = folder / ("tone.wav" if probe else "source.wav")
        head.append(f'giSource ftgen 0, 0, {work.SOURCE_FRAMES}, -1, "{source}", 0, 0, 1')
        head.append("giHann ftgen 0, 0, 16384, 20, 2")
    if name == "W6":
        head += [
            f'gi{side.title()} ftgen 0, 0, 0, -1, "{folder / side}.wav", 0, 0, 1'
            for side in ("left", "right")
        ]
    piece = f"""<CsoundSynthesizer>
<CsInstruments>
{chr(10).join(head)}
instr 1
{_body(name, variant, probe)}
outs aL, aR
endin
</CsInstruments>
<CsScore>
i1 0 {seconds}
</CsScore>
</CsoundSynthesizer>
"""
    csd = out.with_suffix(".csd")
    csd.write_text(piece)
    return ["csound", "-d", "-m0", "-W", "-f", "-o", str(out), str(csd)], dict(os.environ)
