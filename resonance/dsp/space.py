"""The shared space: one reverberation for the whole piece, a feedback delay network of sixteen lines.

What is sent in is thickened by allpasses, runs through sixteen delays between walls a few metres to a few
hundred apart, and is mixed among them without loss at every turn; what a turn loses is set only by
the reverberation times asked for. The delays drift slowly, each by its own clock, so no mode can ring.

Everything moves in whole blocks of 64 frames, which every delay here is longer than.

Source: Jot and Chaigne, Digital delay networks for designing artificial reverberators, AES 90, 1991 (the
network and its absorption); Schroeder, Natural sounding artificial reverberation, JAES 10, 1962 (allpasses).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from resonance.dsp import F32, F64, GRID_FRAMES, I64, aligned, kernel
from resonance.dsp.turning import BLOCK, LANES, in_rows, side_by_side

LINES = LANES
ALLPASSES = 4

LOW_HZ = 250.0
HIGH_HZ = 4000.0
"""Where the reverberation time is half way from low to mid, and from mid to high."""

SOUND_M_S = 343.0

# Allpass delays of the left input in seconds; the right's are longer by _RIGHT. Their ratios avoid small
# whole numbers, so echoes do not fall together. By ear, from 3 to 17 ms.
_DIFFUSION_S = (0.0031, 0.0053, 0.0097, 0.0167)
_RIGHT = 1.0927
_DIFFUSION = np.float32(0.62)  # by ear: more rings, less leaves single echoes

_DRIFT_S = 0.00045  # with less, modes stand out of the tail (tests); with more, tones waver by over two cents
_TAPS = 8  # Lagrange; at 8 kHz and 48 kHz it loses at most 0.011 dB a turn, so T60 there stays true
_LAGRANGE = tuple(
    np.float32((-1.0) ** (_TAPS - 1 - tap) / (math.factorial(tap) * math.factorial(_TAPS - 1 - tap)))
    for tap in range(_TAPS)
)

# Flat arrays of rows with a number for each line, at places that the compiler knows: so it sees that they
# never overlap. What reads are made of: weights at a step's two borders, distances from the first sample.
_WEIGHTS, _DISTANCE = 0, 2 * _TAPS * LINES
_MOVED = _TAPS * LINES  # from a weight to what it is at the other border, or to how much it moves in a frame
# What shelves are made of: low shelf b0 b1 a1, high shelf b0 b1 a1 and the input level; how much each of
# those moves in a frame; what came in, what the low shelf let out, and what the high one did.
_B0, _B1, _A1, _HIGH_B0, _HIGH_B1, _HIGH_A1, _LEVEL = range(0, 7 * LINES, LINES)
_MOVES = 7 * LINES
_CAME, _LOW, _HIGH = range(14 * LINES, 17 * LINES, LINES)
# How fast a T60 may rise, seconds a second, once it is so many turns of the lines long; below as its square.
# At a short T60 more is let in, which must have gone before it would stay. By measurement: 2 dB at most.
_RISES, _RISES_TURNS = 2.0, 10.0
_PART = 8  # frames over which the shelves stand still where they move

_TURN = np.float32(1.0 / math.sqrt(LINES))  # makes the mixing of the lines lossless
_A_FRAME = np.float32(1.0 / GRID_FRAMES)
_ONE = np.float32(1.0)

_AT_REST = 1 << 40  # steps: longer than any ring is

# -240 dB, far under hearing, far over the smallest normal number: what is left below it becomes zero.
_SILENT = np.float32(1e-12)


class SpaceState(NamedTuple):
    """All the network remembers. Rings hold a copy of their first two blocks after their end, for reads
    across it; their lengths are whole blocks.
    """

    clock: I64  # (1,) absolute step, wrapped by nothing: rings wrap it by their own length
    before: F32  # (2, ring) what came in, for the pre-delay
    before_delay: I64  # (1,) frames
    allpass: F32  # (2, ALLPASSES, ring)
    allpass_delay: I64  # (2, ALLPASSES) frames
    lines: F32  # (LINES, ring)
    delay: F64  # (LINES,) frames, at rest
    depth: F64  # (1,) of the drift, in frames
    hand: F64  # (2, LINES) each line's clock: where its hand points, at length 1
    tick: F64  # (2, LINES) how far it turns in a step
    warp: F64  # (2,) tan(pi f) of the crossovers
    inward: F32  # (2, LINES) signs: input to line
    outward: F32  # (2, LINES) signs over four: line to output
    t60: F64  # (2, 3) frames: what `filters` was designed for, 0 where nothing rings; what is asked next
    filters: F32  # (7 LINES,) the shelves at a step's end
    shelves: F32  # the shelves as they are and move, and their memory
    turned: F32  # scratch: the lines side by side, for what is recursive
    rest: I64  # (1,) for how many steps nothing but zeros went in, came round, or was heard
    scratch: F32  # (LINES + 2, GRID_FRAMES) the lines' block and the two inputs'
    place: F64  # (3, LINES) scratch: delays at a step's two borders, whole frames between them
    weights: F32  # scratch: of the reads between samples at a step's two borders, and their distances
    taps: F32  # (2 _TAPS LINES,) scratch: the weights, and their move a frame


def _ring_frames(delay_frames: float) -> int:
    blocks = math.ceil(delay_frames / GRID_FRAMES) + 2
    return (blocks + 2) * GRID_FRAMES


def _two_signs(chance: np.random.Generator) -> F32:
    """Two rows of signs that agree as often as not, so left and right share nothing in the mean."""
    left = chance.permutation(np.repeat([1.0, -1.0], LINES // 2))
    turn = np.empty(LINES)
    for sign in (1.0, -1.0):
        turn[left == sign] = chance.permutation(np.repeat([1.0, -1.0], LINES // 4))
    return np.stack([left, left * turn]).astype(np.float32)


def space_state(rate_hz: float, size_m: float, seed: int, predelay_s: float = 0.012) -> SpaceState:
    """A silent space. `size_m` is the mean way of sound between two walls: 5 a chamber, 15 a hall, 30 vast.

    Lines are from 0.55 to 1.6 times that long, evenly in their logarithm with some chance, and a prime
    number of frames each. A seed gives another room of the same size. Raises ValueError for a size under
    4 or over 100 metres, whose delays would be shorter than a block or too sparse.
    """
    if not 4.0 <= size_m <= 100.0:
        raise ValueError(f"a space's size must be between 4 and 100 metres, not {size_m:g}")
    chance = np.random.Generator(np.random.PCG64(seed))
    spread = np.geomspace(0.55, 1.6, LINES) * (1.0 + 0.03 * chance.uniform(-1.0, 1.0, LINES))
    delay = np.array([_prime_from(round(length)) for length in spread * size_m / SOUND_M_S * rate_hz])
    depth = min(_DRIFT_S * rate_hz, 0.05 * delay.min())
    allpass_s = np.array([_DIFFUSION_S, np.multiply(_DIFFUSION_S, _RIGHT)])
    allpass_delay = np.array(
        [[_prime_from(max(round(s * rate_hz), GRID_FRAMES)) for s in row] for row in allpass_s]
    )
    before_delay = round(predelay_s * rate_hz)
    rates_hz = np.linspace(0.07, 0.41, LINES)[chance.permutation(LINES)]
    return SpaceState(
        clock=np.zeros(1, np.int64),
        before=aligned(2, _ring_frames(before_delay)),
        before_delay=np.array([before_delay]),
        allpass=aligned(2, ALLPASSES, _ring_frames(allpass_delay.max())),
        allpass_delay=allpass_delay,
        lines=aligned(LINES, _ring_frames(delay.max() + depth + _TAPS)),
        delay=delay[chance.permutation(LINES)].astype(np.float64),
        depth=np.array([depth]),
        hand=_on_circle(chance.uniform(0.0, 1.0, LINES)),
        tick=_on_circle(rates_hz * GRID_FRAMES / rate_hz),
        warp=np.tan(np.pi * np.minimum([LOW_HZ, HIGH_HZ], 0.45 * rate_hz) / rate_hz),
        inward=_two_signs(chance),
        outward=_two_signs(chance) * _TURN,
        t60=np.zeros((2, 3)),
        filters=aligned(7 * LINES),
        shelves=aligned(17 * LINES),
        turned=aligned(2 * BLOCK),
        rest=np.array([_AT_REST]),
        scratch=aligned(LINES + 2, GRID_FRAMES),
        place=np.zeros((3, LINES)),
        weights=aligned((2 * _TAPS + 1) * LINES),
        taps=aligned(2 * _TAPS * LINES),
    )


def _on_circle(cycles: F64) -> F64:
    """Sines and cosines, (2, n)."""
    return np.stack([np.sin(2.0 * np.pi * cycles), np.cos(2.0 * np.pi * cycles)])


def _prime_from(number: int) -> int:
    """The first prime that is not less than `number`."""
    while any(number % factor == 0 for factor in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def space_coefficients(
    t60_low_s: float | F64, t60_mid_s: float | F64, t60_high_s: float | F64, rate_hz: float
) -> F64:
    """The reverberation times a space takes, (…, 3) in frames, from seconds under 250 Hz, between, and
    over 4 kHz.

    Between bands the rate of decay, 1 / T60, moves as a first-order shelf does:
    1 / T60(f) = 1/mid + (1/low - 1/mid) / (1 + (f/250)²) + (1/high - 1/mid) / (1 + (4000/f)²).
    """
    t60 = np.empty((*np.shape(t60_mid_s), 3))
    t60[..., 0], t60[..., 1], t60[..., 2] = t60_low_s, t60_mid_s, t60_high_s
    t60 *= rate_hz
    return t60


@kernel
def _absorption(delay: F64, warp: F64, designed: F64, t60: F64, filters: F32) -> bool:
    """Designs what every line loses in one turn: two first-order shelves that are self-similar in decibels.

    `designed`, state, is the T60 that `filters` are for; nothing is done when that is `t60` already. Returns
    whether it was done.
    Source: Jot 1991; shelves by the bilinear transform of (s + w·√g) / (s + w/√g), half way in dB at w.
    """
    if designed[0] == t60[0] and designed[1] == t60[1] and designed[2] == t60[2]:
        return False
    for band in range(3):
        designed[band] = t60[band]
    for line in range(LINES):
        # A decay of 60 dB in T60 is a factor of 10^(-3 delay / T60) a turn.
        turn = -3.0 * math.log(10.0) * delay[line]
        low = math.exp(turn * (1.0 / t60[0] - 1.0 / t60[1]))
        middle = math.exp(turn / t60[1])
        high = math.exp(turn * (1.0 / t60[2] - 1.0 / t60[1]))
        zero, pole = warp[0] * math.sqrt(low), warp[0] / math.sqrt(low)
        filters[_B0 + line] = middle * (1.0 + zero) / (1.0 + pole)
        filters[_B1 + line] = middle * (zero - 1.0) / (1.0 + pole)
        filters[_A1 + line] = (pole - 1.0) / (1.0 + pole)
        zero, pole = warp[1] / math.sqrt(high), warp[1] * math.sqrt(high)
        scale = high * (1.0 + zero) / (1.0 + pole)
        filters[_HIGH_B0 + line] = scale
        filters[_HIGH_B1 + line] = scale * (zero - 1.0) / (1.0 + zero)
        filters[_HIGH_A1 + line] = (pole - 1.0) / (1.0 + pole)
        # What a turn loses is what has to come in for a steady sound to return as loud as it went in;
        # half of it each from left and right.
        filters[_LEVEL + line] = math.sqrt(0.5 / (middle * middle) - 0.5)
    return True


@kernel
def _next_t60(t60: F64, asked: F64, turn: float) -> None:
    """What is next designed for of what is asked: a time that rises does so no faster than it may.

    `turn` is how long the lines are in the mean, in frames.
    """
    part = min(t60[0, 1] / (_RISES_TURNS * turn), 1.0)
    for band in range(3):
        t60[1, band] = min(asked[band], t60[0, band] + part * part * _RISES * GRID_FRAMES)


@kernel
def _behind(at: int, delay: int, length: int) -> int:
    """The place in a ring that lies `delay` behind another."""
    return at - delay if at >= delay else at - delay + length


@kernel
def _write(ring: F32, at: int, block: F32) -> None:
    """Puts a block into a ring, and into the copy after its end where reads run across it."""
    fresh = ring[at:]
    for i in range(GRID_FRAMES):
        fresh[i] = block[i] if abs(block[i]) > _SILENT else np.float32(0.0)
    if at < 2 * GRID_FRAMES:
        again = ring[at + ring.size - 2 * GRID_FRAMES :]
        for i in range(GRID_FRAMES):
            again[i] = fresh[i]


@kernel
def _thicken(ring: F32, now: int, delay: int, block: F32, scratch: F32) -> None:
    """An allpass over a block, in place: one sound becomes a row of fainter ones, its colour unchanged."""
    length = ring.size - 2 * GRID_FRAMES
    at = now % length
    late = ring[_behind(at, delay, length) :]
    for i in range(GRID_FRAMES):
        scratch[i] = block[i] + _DIFFUSION * late[i]
        block[i] = late[i] - _DIFFUSION * scratch[i]
    _write(ring, at, scratch)


@kernel
def _turn(hand: F64, tick: F64) -> None:
    """Turns every line's hand on by a step."""
    for line in range(LINES):
        sine, cosine = hand[0, line], hand[1, line]
        hand[0, line] = sine * tick[1, line] + cosine * tick[0, line]
        hand[1, line] = cosine * tick[1, line] - sine * tick[0, line]


@kernel
def _drift(delay: F64, depth: F64, hand: F64, tick: F64, place: F64, weights: F32, taps: F32) -> None:
    """Moves every line's delay on by a step, and weighs the eight samples it is read from meanwhile.

    Lagrange weights, at a step's two borders, of samples 0 to 7 for the value at a place near the middle of
    them: a constant times the distances to all others. Source: Laakso et al., Splitting the unit delay, IEEE
    SP Magazine 13, 1996, eq. 42.
    """
    for line in range(LINES):
        place[0, line] = delay[line] + depth[0] * hand[0, line]
    _turn(hand, tick)
    for line in range(LINES):
        place[1, line] = delay[line] + depth[0] * hand[0, line]
        # The same eight samples serve the whole step: the delay moves by less than a tenth of one.
        place[2, line] = math.floor(0.5 * (place[0, line] + place[1, line]))
    for border in range(2):
        at = _WEIGHTS + border * _MOVED
        for line in range(LINES):
            weights[_DISTANCE + line] = np.float32(place[2, line] - place[border, line])
        for line in range(LINES):
            d3 = weights[_DISTANCE + line] + np.float32(_TAPS // 2 - 3)
            d0, d1, d2 = d3 + np.float32(3.0), d3 + np.float32(2.0), d3 + _ONE
            d4, d5, d6, d7 = d3 - _ONE, d3 - np.float32(2.0), d3 - np.float32(3.0), d3 - np.float32(4.0)
            d01, d23, d45, d67 = d0 * d1, d2 * d3, d4 * d5, d6 * d7
            d0123, d4567 = d01 * d23, d45 * d67
            weights[at + line] = _LAGRANGE[0] * (d1 * d23 * d4567)
            weights[at + LINES + line] = _LAGRANGE[1] * (d0 * d23 * d4567)
            weights[at + 2 * LINES + line] = _LAGRANGE[2] * (d01 * d3 * d4567)
            weights[at + 3 * LINES + line] = _LAGRANGE[3] * (d01 * d2 * d4567)
            weights[at + 4 * LINES + line] = _LAGRANGE[4] * (d0123 * d5 * d67)
            weights[at + 5 * LINES + line] = _LAGRANGE[5] * (d0123 * d4 * d67)
            weights[at + 6 * LINES + line] = _LAGRANGE[6] * (d0123 * d45 * d7)
            weights[at + 7 * LINES + line] = _LAGRANGE[7] * (d0123 * d45 * d6)
    for k in range(_MOVED):
        taps[k] = weights[_WEIGHTS + k]
        taps[_MOVED + k] = (weights[_WEIGHTS + _MOVED + k] - weights[_WEIGHTS + k]) * _A_FRAME


@kernel
def _read(ring: F32, at: int, taps: F32, line: int, block: F32) -> None:
    """Writes what a line has delayed to `block`, while its delay moves from one value to the next."""
    now, move = taps[line:], taps[_MOVED + line :]
    w0, w1, w2, w3 = now[0], now[LINES], now[2 * LINES], now[3 * LINES]
    w4, w5, w6, w7 = now[4 * LINES], now[5 * LINES], now[6 * LINES], now[7 * LINES]
    m0, m1, m2, m3 = move[0], move[LINES], move[2 * LINES], move[3 * LINES]
    m4, m5, m6, m7 = move[4 * LINES], move[5 * LINES], move[6 * LINES], move[7 * LINES]
    x = ring[at:]
    for i in range(GRID_FRAMES):
        still = (w0 * x[i] + w1 * x[i + 1] + w2 * x[i + 2] + w3 * x[i + 3]) + (
            w4 * x[i + 4] + w5 * x[i + 5] + w6 * x[i + 6] + w7 * x[i + 7]
        )
        block[i] = still + np.float32(i) * (
            (m0 * x[i] + m1 * x[i + 1] + m2 * x[i + 2] + m3 * x[i + 3])
            + (m4 * x[i + 4] + m5 * x[i + 5] + m6 * x[i + 6] + m7 * x[i + 7])
        )


@kernel
def _absorb(shelves: F32, first: int, last: int, turned: F32) -> None:
    """Runs all lines' two shelves over some frames of what is side by side, in place.

    Four frames at a time: what they hand on to each other then stays in registers.
    """
    for i in range(first, last, 4):
        at0 = i * LINES
        at1, at2, at3 = at0 + LINES, at0 + 2 * LINES, at0 + 3 * LINES
        for k in range(LINES):
            came, low, high = shelves[_CAME + k], shelves[_LOW + k], shelves[_HIGH + k]
            b0, b1, a1 = shelves[_B0 + k], shelves[_B1 + k], shelves[_A1 + k]
            x0, x1, x2, x3 = turned[at0 + k], turned[at1 + k], turned[at2 + k], turned[at3 + k]
            low0 = b0 * x0 + b1 * came - a1 * low
            low1 = b0 * x1 + b1 * x0 - a1 * low0
            low2 = b0 * x2 + b1 * x1 - a1 * low1
            low3 = b0 * x3 + b1 * x2 - a1 * low2
            b0, b1, a1 = shelves[_HIGH_B0 + k], shelves[_HIGH_B1 + k], shelves[_HIGH_A1 + k]
            high0 = b0 * low0 + b1 * low - a1 * high
            high1 = b0 * low1 + b1 * low0 - a1 * high0
            high2 = b0 * low2 + b1 * low1 - a1 * high1
            high3 = b0 * low3 + b1 * low2 - a1 * high2
            shelves[_CAME + k], shelves[_LOW + k], shelves[_HIGH + k] = x3, low3, high3
            turned[at0 + k], turned[at1 + k], turned[at2 + k], turned[at3 + k] = high0, high1, high2, high3


@kernel
def _absorbed(shelves: F32, moving: bool, turned: F32, blocks: F32) -> None:
    """What a turn leaves of all lines' blocks, in place; shelves that move do so in eight parts."""
    side_by_side(blocks, 0, 0, turned)
    if moving:
        for first in range(0, GRID_FRAMES, _PART):
            _absorb(shelves, first, first + _PART, turned)
            for k in range(_LEVEL):
                shelves[k] += np.float32(_PART) * shelves[_MOVES + k]
    else:
        _absorb(shelves, 0, GRID_FRAMES, turned)
    for k in range(_CAME, _HIGH + LINES):
        shelves[k] = shelves[k] if abs(shelves[k]) > _SILENT else np.float32(0.0)
    in_rows(turned, 0, 0, blocks)


@kernel
def _mingle(blocks: F32) -> None:
    """Every line to every line, times four: Hadamard's matrix by butterflies of four, in place."""
    for span in (1, 4):
        for first in range(LINES // 4):
            a = first // span * 4 * span + first % span
            b, c, d = a + span, a + 2 * span, a + 3 * span
            for i in range(GRID_FRAMES):
                ab, a_b = blocks[a, i] + blocks[b, i], blocks[a, i] - blocks[b, i]
                cd, c_d = blocks[c, i] + blocks[d, i], blocks[c, i] - blocks[d, i]
                blocks[a, i], blocks[b, i] = ab + cd, a_b + c_d
                blocks[c, i], blocks[d, i] = ab - cd, a_b - c_d


@kernel
def _is_zero(blocks: F32) -> bool:
    """Whether all of it is zero; the loudest of a block is found many at a time."""
    for line in range(blocks.shape[0]):
        total = np.float32(0.0)
        for i in range(GRID_FRAMES):
            total = max(total, abs(blocks[line, i]))
        if total != 0.0:
            return False
    return True


@kernel
def rest(state: SpaceState, steps: int) -> None:
    """Lets time go by in a space that rings no more, and into which nothing is sent."""
    state.clock[0] += steps
    state.rest[0] += steps
    state.t60[0] = 0.0
    for _ in range(steps):
        _turn(state.hand, state.tick)


@kernel
def space(state: SpaceState, t60: F64, x: F32, out: F32) -> bool:
    """Adds the reverberation of `x` (2, frames) to `out` (2, frames); returns whether it rang.

    `t60` (steps + 1, 3), from `space_coefficients`, may move while it sounds, and is followed no faster than
    by two seconds a second where it rises: what rings already would bloom. A steady sound returns about
    as loud as it went in, whatever the T60; a mono one returns wide.
    """
    blocks, inputs = state.scratch[:LINES], state.scratch[LINES:]
    filters, shelves = state.filters, state.shelves
    length = state.lines.shape[1] - 2 * GRID_FRAMES
    # When nothing but zeros has been written for longer than any ring is, there is nothing left to hear.
    empty = (length + state.before.shape[1] + ALLPASSES * state.allpass.shape[2]) // GRID_FRAMES
    turn = state.delay.mean()
    rang = False
    for step in range(x.shape[1] // GRID_FRAMES):
        begin = step * GRID_FRAMES
        now = state.clock[0] * GRID_FRAMES
        state.rest[0] = state.rest[0] + 1 if _is_zero(x[:, begin : begin + GRID_FRAMES]) else 0
        state.clock[0] += 1
        if state.rest[0] > empty:
            _turn(state.hand, state.tick)
            state.t60[0] = 0.0
            continue
        rang = True
        if state.t60[0, 0] == 0.0:
            _absorption(state.delay, state.warp, state.t60[0], t60[step], filters)
        for k in range(_MOVES):
            shelves[k] = filters[k]
        _next_t60(state.t60, t60[step + 1], turn)
        moves = _absorption(state.delay, state.warp, state.t60[0], state.t60[1], filters)
        for k in range(_MOVES):
            shelves[_MOVES + k] = (filters[k] - shelves[k]) * _A_FRAME

        for channel in range(2):
            ring = state.before[channel]
            at = now % (ring.size - 2 * GRID_FRAMES)
            _write(ring, at, x[channel, begin:])
            late = ring[_behind(at, state.before_delay[0], ring.size - 2 * GRID_FRAMES) :]
            for i in range(GRID_FRAMES):
                inputs[channel, i] = late[i]
            for k in range(ALLPASSES):
                delay = state.allpass_delay[channel, k]
                _thicken(state.allpass[channel, k], now, delay, inputs[channel], blocks[0])

        at = now % length
        _drift(state.delay, state.depth, state.hand, state.tick, state.place, state.weights, state.taps)
        for line in range(LINES):
            first = _behind(at, int(state.place[2, line]) + _TAPS // 2, length)
            _read(state.lines[line], first, state.taps, line, blocks[line])
        _absorbed(shelves, moves, state.turned, blocks)

        for channel in range(2):
            heard = out[channel, begin:]
            for line in range(LINES):
                sign = state.outward[channel, line]
                for i in range(GRID_FRAMES):
                    heard[i] += sign * blocks[line, i]

        _mingle(blocks)
        for line in range(LINES):
            level, slope = shelves[_LEVEL + line], shelves[_LEVEL + _MOVES + line]
            left, right = state.inward[0, line], state.inward[1, line]
            for i in range(GRID_FRAMES):
                came = left * inputs[0, i] + right * inputs[1, i]
                blocks[line, i] = _TURN * blocks[line, i] + (level + slope * np.float32(i)) * came
            _write(state.lines[line], at, blocks[line])
        if state.rest[0] > 0 and not _is_zero(blocks):
            state.rest[0] = 0
    return rang
