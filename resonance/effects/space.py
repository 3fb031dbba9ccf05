"""The shared space: the valley that everything sounds in.

One feedback delay network for the whole piece, fed by every sound's send. Lows ring longer and highs
shorter, as between rock and air; and the lowest ring in the middle, so that no foundation is lost in mono.
Or a room that was recorded, by its `response` to a clap or a sweep: then that says how it rings, and for how
long, left for what is left and right for what is right; a steady sound returns as loud as it went in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resonance.contract import MAX_STEPS, Setting, Span
from resonance.dsp import F32, F64, GRID_FRAMES
from resonance.dsp.convolution import convolution_state, convolve, stand
from resonance.dsp.curves import levels
from resonance.dsp.mixing import mono_below, ramped
from resonance.dsp.space import rest, space, space_coefficients, space_state
from resonance.units import choice, db, file, part, seconds

_MONO_BELOW_HZ = 130.0  # the side is 4 dB down at 120 Hz, and 12 dB an octave more below
_CATCHES_UP_STEPS = 4096
_SIZE_M = {"chamber": 6.0, "hall": 14.0, "valley": 28.0}


@dataclass(frozen=True)
class SpacePatch:
    """The reverberation that all sounds share."""

    room: str = choice("valley", tuple(_SIZE_M), "how large it is")
    t60_s: float = seconds(5.0, 0.2, 60.0, "how long it rings between 250 Hz and 4 kHz")
    low: float = part(1.15, "how much longer it rings below 250 Hz", 0.2, 3.0)
    high: float = part(0.42, "how much shorter it rings above 4 kHz", 0.05, 1.5)
    gain_db: float = db(0.0, -60.0, 12.0, "level of all reverberation")
    response: str = file("a recorded room's response, in place of room, t60_s, low and high", 30.0)


class Space:
    """The shared reverberation, running."""

    def __init__(self, patch: SpacePatch, setting: Setting) -> None:
        self._state = space_state(setting.rate_hz, _SIZE_M[patch.room], int(setting.key("walls")))
        self._recorded = [convolution_state(_levelled(response)) for response in setting.recordings]
        self._lows = np.zeros(2)
        self._sent, self._rung = (
            setting.scratch(name, 2 * MAX_STEPS * GRID_FRAMES, np.float32) for name in ("sent", "rung")
        )
        self._rings = False
        self._rested = 0

    @staticmethod
    def curves(fields: Mapping[str, F64], rate_hz: float) -> dict[str, F64]:
        """What it follows, worked out from its controls."""
        t60_s = fields["t60_s"]
        t60 = space_coefficients(t60_s * fields["low"], t60_s, t60_s * fields["high"], rate_hz)
        return {"level": levels(fields["gain_db"]), "t60": t60}

    def render(self, span: Span, x: F32 | None, out: F32) -> None:
        """Adds the reverberation of what is sent, `x` (2, frames) or nothing, to `out`, by its `curves`."""
        if x is None and not self._rings:
            self.rest(span.steps)
            return
        if self._rested:
            self._catch_up()
        sent, rung = (flat[: out.size].reshape(out.shape) for flat in (self._sent, self._rung))
        sent.fill(0.0)
        rung.fill(0.0)
        if x is not None:
            ramped(x, span["level"], sent)
        if self._recorded:
            stand(self._recorded[0], span.start)
            convolve(self._recorded[0], sent, rung)
            rang = bool(rung.any())
        else:
            rang = space(self._state, span["t60"], sent, rung)
        self._rings = bool(rang or self._recorded or np.count_nonzero(self._lows))
        if self._rings:
            mono_below(self._lows, _MONO_BELOW_HZ / span.rate_hz, rung)
            out += rung

    def rest(self, steps: int) -> None:
        """Lets time go by where nothing rings and nothing is sent; the walls catch up now and then."""
        self._rested += steps
        # Not for hours at once: there is a note then that waits.
        if self._rested >= _CATCHES_UP_STEPS:
            self._catch_up()

    def _catch_up(self) -> None:
        rest(self._state, self._rested)
        self._rested = 0


def _levelled(response: F32) -> F32:
    """A response that gives white noise back as loud as it came, over both sides together."""
    return response / np.sqrt(0.5 * np.sum(response * response, dtype=np.float64)).astype(np.float32)
