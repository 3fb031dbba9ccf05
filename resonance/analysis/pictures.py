"""Pictures a person reads at a glance: a score's arc and scenes, and what became of them in a file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from resonance.analysis.levels import db
from resonance.analysis.loudness import Meter
from resonance.analysis.recording import open_audio, read_markers, read_tags
from resonance.dsp import F32, F64
from resonance.score import Score, Timeline

PIXELS = (1600, 1000)
SIDE_PIXELS = 88
"""To the left and the right of the panels, for their scales; left of a score's lanes half as much again."""

SMALL_PIXELS = (960, 400)
SMALL_COLUMNS = 850
SMALL_ROWS = 290
SMALL_HZ = (30.0, 16_000.0)

ROWS = 360
WINDOW_S = 0.7
"""No window is longer, however many seconds a column stands for."""

WINDOWS_A_COLUMN = 8
RANGE_DB = 84.0
SMALL_RANGE_DB = 72.0

FINE = ((100.0, 0.34), (600.0, 0.085), (3600.0, 0.021))
"""Around each frequency, the window in seconds that serves it: tones are lines below, snaps dots above."""

NIGHT, PANEL, LINE, FAINT, INK = "#0d1016", "#12161e", "#2a303b", "#7c8594", "#d5d9e0"
CURVES = {"valence": "#e9c27d", "energy": "#e5795d", "tension": "#8fa6ea"}
SCENES = ("#4b6a88", "#6b6a9c", "#8a6684", "#9a7560", "#6f8263", "#4f8580")
WAVE, WAVE_CORE, MOMENTARY, SHORT_TERM = "#3f6f86", "#9fd0dc", "#4d6f62", "#a8dcb5"

Scene = tuple[str, float, float]
"""A scene's name, its start and its end in seconds."""

Arc = tuple[F64, Mapping[str, F64]]
"""Times in seconds, and the curves' values there by their names."""


def arc_of(timeline: Timeline) -> Arc:
    """The arc of a piece, as finely as a picture can show it."""
    times_s = np.linspace(0.0, timeline.duration_s, PIXELS[0])
    tracks = {"valence": timeline.valence, "energy": timeline.energy, "tension": timeline.tension}
    return times_s, {name: track(times_s) for name, track in tracks.items()}


@dataclass(frozen=True)
class Outline:
    """A score as a picture sees it: the arc's curves at `times_s`, its scenes, and each sound's presence."""

    title: str
    times_s: F64
    curves: Mapping[str, F64]
    scenes: Sequence[Scene] = ()
    lanes: Mapping[str, F64] = field(default_factory=dict)

    @classmethod
    def of(cls, score: Score) -> Outline:
        """A score's."""
        timeline = Timeline(score)
        times_s, curves = arc_of(timeline)
        return cls(
            title=score.title,
            times_s=times_s,
            curves=curves,
            scenes=[(scene.name, scene.start_s, scene.end_s) for scene in timeline.scenes],
            lanes={name: timeline.presence(name)(times_s) for name in score.sounds},
        )


def picture_of_score(score: Outline, path: str | os.PathLike[str], pixels: tuple[int, int] = PIXELS) -> None:
    """Draws a score before it sounds: its arc over coloured scenes, and below which sounds play when."""
    details = f"{_clock(float(score.times_s[-1]))} · {len(score.scenes)} scenes"
    figure = _figure(score.title, details, pixels)
    lanes = len(score.lanes)
    grid = figure.add_gridspec(
        3 if lanes else 2,
        1,
        height_ratios=[0.55, 3.0, 0.2 * lanes][: 3 if lanes else 2],
        **_margins(figure, 1.55 if lanes else 1.0),
    )
    names = figure.add_subplot(grid[0])
    arc = figure.add_subplot(grid[1], sharex=names)
    panels = [arc]
    _draw_arc(arc, (score.times_s, score.curves), score.scenes)
    if lanes:
        panel = figure.add_subplot(grid[2], sharex=names)
        panels.append(panel)
        _draw_lanes(panel, score.times_s, score.lanes)
    _finish(figure, names, panels, score.scenes, float(score.times_s[-1]), path)


def picture_of_audio(
    audio_path: str | os.PathLike[str],
    png_path: str | os.PathLike[str],
    arc: Arc | None = None,
    scenes: Sequence[Scene] | None = None,
    pixels: tuple[int, int] = PIXELS,
) -> None:
    """Draws a file: its arc where one is known, waveform, spectrogram and loudness, with the scenes' borders.

    Without `scenes` the file's own markers are taken. The file is read once, block by block, in memory that
    does not grow with its length but for the loudness curve (0.3 MB an hour). Raises FileNotFoundError, or
    ValueError for a file that is no audio or holds none.
    """
    seen = _look(audio_path, pixels[0] - 2 * SIDE_PIXELS)
    tags = read_tags(audio_path)
    if scenes is None:
        scenes = _scenes_of_markers(audio_path, seen.rate_hz, seen.seconds)
    meter = seen.meter
    details = [f"seed {tags['seed']}"] if "seed" in tags else []
    details += [
        _clock(seen.seconds),
        f"{seen.rate_hz / 1000:g} kHz",
        f"{_signed(meter.integrated())} LUFS",
        f"range {meter.loudness_range():.1f} LU",
        f"true peak {_signed(meter.true_peak_dbtp)} dBTP",
    ]
    figure = _figure(tags.get("title") or os.path.basename(audio_path), " · ".join(details), pixels)
    ratios = [0.5 if scenes else 0.02, *([1.15] if arc else []), 1.0, 3.4, 1.25]
    grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios, **_margins(figure))
    names = figure.add_subplot(grid[0])
    panels = [figure.add_subplot(grid[row], sharex=names) for row in range(1, len(ratios))]
    if arc:
        _draw_arc(panels[0], arc, scenes)
    wave, spectrogram, loudness = panels[-3:]
    _draw_wave(wave, seen)
    _draw_spectrogram(figure, spectrogram, seen)
    _draw_loudness(loudness, meter)
    _finish(figure, names, panels, scenes, seen.seconds, png_path)


def picture_of_scene(
    audio: F32, rate_hz: float, path: str | os.PathLike[str], start_s: float, arc: Arc, colour: int = 0
) -> None:
    """Draws one scene for a page: its spectrogram under its stretch of the arc, in the piece's own time.

    `audio` is (frames, channels) from second `start_s` of the piece on, `arc` the whole piece's, `colour` the
    scene's number. The format is that of the path's ending, WebP included.
    """
    figure, above, panel = _small_figure(0.24)
    times_s, curves = arc
    for name, values in curves.items():
        above.plot(times_s, values, color=CURVES.get(name, INK), linewidth=2.0)
    above.set_facecolor(_mixed(SCENES[colour % len(SCENES)], PANEL, 0.3))
    above.set_ylim(-0.08, 1.08)
    end_s = start_s + len(audio) / rate_hz
    above.set_xlim(start_s, end_s)
    finals = [float(np.interp(end_s, times_s, values)) for values in curves.values()]
    for (name, _), height in zip(curves.items(), _apart(finals, 0.3), strict=True):
        _beside(above, name, height, CURVES.get(name, INK))
    _finish_small(figure, panel, audio, rate_hz, start_s, path)


def picture_of_sound(
    audio: F32,
    rate_hz: float,
    path: str | os.PathLike[str],
    start_s: float,
    scenes: Sequence[Scene],
    levels_db: F64,
) -> None:
    """Draws one sound alone for a page: some seconds of it, under where and how loud it is in the piece.

    `audio` is (frames, channels) from second `start_s` of the piece on; `levels_db` its level, evenly spaced
    over the whole piece. The format is that of the path's ending, WebP included.
    """
    figure, above, panel = _small_figure(0.13)
    whole_s = scenes[-1][2]
    times_s = np.linspace(0.0, whole_s, len(levels_db))
    heights = np.clip(1.0 + (levels_db - levels_db.max()) / SMALL_RANGE_DB, 0.0, 1.0)
    for number, (_, scene_start_s, scene_end_s) in enumerate(scenes):
        colour = SCENES[number % len(SCENES)]
        above.axvspan(scene_start_s, scene_end_s, color=_mixed(colour, NIGHT, 0.4), linewidth=0)
        inside = (times_s >= scene_start_s) & (times_s <= scene_end_s)
        above.fill_between(times_s[inside], heights[inside], color=_lighter(colour), linewidth=0)
    end_s = start_s + len(audio) / rate_hz
    above.axvspan(start_s, end_s, facecolor="none", edgecolor=INK, linewidth=1.4)
    above.set_xlim(0.0, whole_s)
    above.set_ylim(0.0, 1.0)
    _beside(above, "piece", 0.5, FAINT)
    _finish_small(figure, panel, audio, rate_hz, start_s, path)


def spectrogram(audio: F32, rate_hz: float, columns: int, frequencies_hz: F64) -> F64:
    """Levels in dB, (frequencies, columns), of audio (frames, channels): fine in pitch below, in time above.

    A full-scale sine on all channels reads 0 dB, or up to 1.4 dB less between two bins (Harris 1978, table 1,
    Hann). Frequencies are spaced by ratio.
    """
    lens = _Lens(rate_hz, frequencies_hz, len(audio) / rate_hz / columns)
    edges = np.linspace(0, len(audio), columns + 1).astype(np.int64)
    # Mirrored at its ends, so that the cut itself is no click.
    padded = np.pad(audio, ((lens.reach, lens.reach), (0, 0)), mode="symmetric")
    seen = [lens.levels_db(padded[begin : end + 2 * lens.reach]) for begin, end in pairwise(edges)]
    return np.stack(seen, axis=1)


class _Lens:
    """How a column of a spectrogram is seen: through windows that are long below and short above.

    A column is looked at with `reach` frames before and after it.
    """

    def __init__(self, rate_hz: float, frequencies_hz: F64, column_s: float) -> None:
        self._rate_hz = rate_hz
        self._frequencies_hz = frequencies_hz
        self._weights: dict[int, F64] = {}
        self._tapers: dict[int, F64] = {}
        centres = np.log([centre_hz for centre_hz, _ in FINE])
        for number, (_, window_s) in enumerate(FINE):
            # Over a column and a half at least, so that nothing falls between two.
            length = 1 << round(math.log2(min(max(window_s, 1.5 * column_s), WINDOW_S) * rate_hz))
            weight = np.interp(np.log(frequencies_hz), centres, np.eye(len(FINE))[number])
            self._weights[length] = self._weights.get(length, 0.0) + weight
            taper = np.hanning(length + 1)[:-1]
            self._tapers[length] = taper * (2.0 / taper.sum())
        self.reach = max(self._weights) // 2

    def levels_db(self, heard: F32) -> F64:
        """Levels over a column, which comes as (frames, channels) with what is around it."""
        fresh = len(heard) - 2 * self.reach
        levels_db = np.zeros(len(self._frequencies_hz))
        for length, weight in self._weights.items():
            around = self.reach - length // 2
            powers = self._powers(heard[around : len(heard) - around], fresh, length)
            levels_db += weight * db(powers)
        return levels_db

    def _powers(self, heard: F32, fresh: int, length: int) -> F64:
        """Mean power of some windows whose middles lie in the column.

        A row wider than a bin takes the loudest bin in it, so that a thin partial stays a bright line.
        """
        windows = max(1, min(WINDOWS_A_COLUMN, round(2.0 * fresh / length)))
        begins = ((np.arange(windows) + 0.5) / windows * fresh).astype(np.int64)
        frames = np.stack([heard[begin : begin + length] for begin in begins])
        power = (np.abs(np.fft.rfft(frames * self._tapers[length][:, None], axis=1)) ** 2).mean(axis=(0, 2))
        bins = self._frequencies_hz * length / self._rate_hz
        between = np.interp(bins, np.arange(len(power)), power)
        ratio = math.sqrt(self._frequencies_hz[1] / self._frequencies_hz[0])
        first = np.ceil(bins / ratio).astype(np.int64)
        after = np.minimum(np.ceil(bins * ratio).astype(np.int64), len(power))
        wide = after - first > 1
        if wide.any():
            stretches = np.stack([first[wide], after[wide]], axis=1).ravel()
            between[wide] = np.maximum.reduceat(np.append(power, 0.0), stretches)[::2]
        return between


@dataclass(frozen=True)
class _Look:
    """A file, column by column: waveform (lowest, highest, RMS) and levels (rows, columns) on a log scale."""

    rate_hz: int
    seconds: float
    edges_s: F64
    wave: F64
    levels_db: F64
    frequencies_hz: F64
    meter: Meter


def _look(path: str | os.PathLike[str], columns: int) -> _Look:
    with open_audio(path) as file:
        rate_hz, channels, total = file.samplerate, file.channels, file.frames
        if total == 0 or channels > 2:
            raise ValueError(f"{path} holds no sound of one or two channels")
        frequencies_hz = np.geomspace(20.0, min(20_000.0, 0.499 * rate_hz), ROWS)
        count = max(1, min(columns, total // 64))
        edges = np.linspace(0, total, count + 1).astype(np.int64)
        wave = np.zeros((3, count))
        levels_db = np.zeros((ROWS, count))
        meter = Meter(rate_hz, channels, remembers=True)
        lens = _Lens(rate_hz, frequencies_hz, total / rate_hz / count)

        def ahead(frames: int) -> F32:
            return file.read(frames, dtype="float32", always_2d=True, fill_value=0.0)

        held = np.concatenate([np.zeros((lens.reach, channels), np.float32), ahead(lens.reach)])
        for column, frames in enumerate(np.diff(edges)):
            held = np.concatenate([held, ahead(int(frames))])
            block = held[lens.reach : lens.reach + frames]
            meter.add(block)
            wave[:, column] = block.min(), block.max(), np.sqrt(np.mean(block.astype(np.float64) ** 2))
            levels_db[:, column] = lens.levels_db(held)
            held = held[frames:]
    return _Look(rate_hz, total / rate_hz, edges / rate_hz, wave, levels_db, frequencies_hz, meter)


def _scenes_of_markers(path: str | os.PathLike[str], rate_hz: int, seconds: float) -> list[Scene]:
    markers = [(frame / rate_hz, label) for frame, label in read_markers(path)]
    markers.append((seconds, ""))
    return [(label, start_s, end_s) for (start_s, label), (end_s, _) in pairwise(markers)]


def _figure(title: str, details: str, pixels: tuple[int, int]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(pixels[0] / 100, pixels[1] / 100), dpi=100, facecolor=NIGHT)
    FigureCanvasAgg(figure)
    side = SIDE_PIXELS / pixels[0]
    figure.text(side, 0.962, title, color=INK, fontsize=19, fontweight="light", va="center", parse_math=False)
    figure.text(1.0 - side, 0.962, details, color=FAINT, fontsize=11, va="center", ha="right")
    return figure


def _margins(figure: Any, left: float = 1.0) -> dict[str, float]:
    side = SIDE_PIXELS / figure.bbox.width
    return {"left": left * side, "right": 1.0 - side, "top": 0.935, "bottom": 0.05, "hspace": 0.09}


def _draw_arc(panel: Any, arc: Arc, scenes: Sequence[Scene]) -> None:
    times_s, curves = arc
    _tint(panel, scenes)
    for name, values in curves.items():
        colour = CURVES.get(name, INK)
        panel.plot(times_s, values, color=colour, linewidth=2.0, solid_capstyle="round")
    ends = _apart([float(values[-1]) for values in curves.values()], 0.14)
    for name, height in zip(curves, ends, strict=True):
        _beside(panel, name, height, CURVES.get(name, INK))
    panel.set_ylim(-0.05, 1.05)
    panel.set_yticks([0.0, 0.5, 1.0], ["0", "½", "1"])
    _label(panel, "arc")


def _draw_lanes(panel: Any, times_s: F64, lanes: Mapping[str, F64]) -> None:
    names = sorted(lanes, key=lambda name: _stretch(lanes[name]))
    for lane, presence in enumerate(lanes[name] for name in names):
        colour = SCENES[lane % len(SCENES)]
        half = 0.42 * np.clip(presence, 0.0, 1.0)
        panel.axhline(lane, color=LINE, linewidth=0.6, zorder=0)
        panel.fill_between(times_s, lane - half, lane + half, color=colour, linewidth=0, alpha=0.95)
    panel.set_ylim(len(lanes) - 0.4, -0.6)
    panel.set_yticks(range(len(lanes)), names, fontsize=9 if len(lanes) < 24 else 7)


def _stretch(presence: F64) -> tuple[int, int]:
    """Where a sound enters and where it leaves, so that lanes can stand in the order of their entries."""
    there = np.flatnonzero(presence > 0.0)
    return (int(there[0]), int(there[-1])) if len(there) else (len(presence), len(presence))


def _draw_wave(panel: Any, seen: _Look) -> None:
    middles_s = (seen.edges_s[1:] + seen.edges_s[:-1]) / 2.0
    lowest, highest, rms = seen.wave
    panel.fill_between(middles_s, lowest, highest, color=WAVE, linewidth=0.4, edgecolor=WAVE)
    panel.fill_between(middles_s, -rms, rms, color=WAVE_CORE, linewidth=0)
    # A quiet piece fills its panel as well; the ticks say how quiet it is.
    reach = max(1e-4, float(np.abs(seen.wave[:2]).max()))
    panel.set_ylim(-1.08 * reach, 1.08 * reach)
    top_db = 20.0 * math.log10(reach)
    panel.set_yticks([-reach, 0.0, reach], [_signed(top_db), "−∞", _signed(top_db)])
    _label(panel, "dBFS")


def _draw_spectrogram(figure: Any, panel: Any, seen: _Look) -> None:
    levels_db = seen.levels_db
    top_db = 6.0 * math.ceil(float(np.percentile(levels_db, 99.95)) / 6.0) if levels_db.max() > -200 else 0.0
    image = panel.pcolormesh(
        seen.edges_s,
        _row_edges(seen.frequencies_hz),
        levels_db,
        cmap="magma",
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        rasterized=True,
    )
    _scale_hz(panel, seen.frequencies_hz)
    _label(panel, "Hz")
    box = panel.get_position()
    width = figure.bbox.width
    bar = figure.colorbar(image, cax=figure.add_axes((box.x1 + 13 / width, box.y0, 13 / width, box.height)))
    bar.outline.set_visible(False)
    bar.set_ticks(np.arange(top_db - 72.0, top_db + 1.0, 12.0))
    bar.ax.tick_params(colors=FAINT, labelsize=8, length=0, pad=3)
    bar.ax.set_title("dB", color=FAINT, fontsize=9, pad=5)


def _scale_hz(panel: Any, frequencies_hz: F64) -> None:
    """A spectrogram's upright axis: by ratio, with round numbers."""
    panel.set_yscale("log")
    panel.set_ylim(frequencies_hz[0], frequencies_hz[-1])
    decades_hz = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
    ticks_hz = [tick for tick in decades_hz if frequencies_hz[0] <= tick <= frequencies_hz[-1]]
    panel.set_yticks(ticks_hz, [f"{tick // 1000} k" if tick >= 1000 else str(tick) for tick in ticks_hz])
    panel.set_yticks([], minor=True)
    panel.set_facecolor("#000004")


def _scale_clock(panel: Any, end_s: float, seconds: float) -> None:
    """A panel's level axis: the clock, no two ticks in one second where it shows none of their tenths."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    step_s = _tick_s(seconds)
    panel.xaxis.set_major_locator(MultipleLocator(step_s if end_s < 5.0 else max(1.0, step_s)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: _clock(time_s)))


def _small_figure(share: float) -> tuple[Any, Any, Any]:
    """A page's picture with two panels; the upper one takes this share of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SMALL_PIXELS[0] / 100, SMALL_PIXELS[1] / 100), dpi=100, facecolor=NIGHT)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 1, height_ratios=[share, 1.0], left=0.055, right=0.93, top=0.97, bottom=0.075, hspace=0.05
    )
    above = figure.add_subplot(grid[0])
    above.set_xticks([])
    above.set_yticks([])
    return figure, above, figure.add_subplot(grid[1])


def _finish_small(
    figure: Any, panel: Any, audio: F32, rate_hz: float, start_s: float, path: str | os.PathLike[str]
) -> None:
    """The spectrogram under what is drawn above it, and the file."""
    low_hz, high_hz = SMALL_HZ
    frequencies_hz = np.geomspace(low_hz, min(high_hz, 0.499 * rate_hz), SMALL_ROWS)
    columns = max(1, min(SMALL_COLUMNS, len(audio) // 64))
    levels_db = spectrogram(audio, rate_hz, columns, frequencies_hz)
    top_db = float(np.percentile(levels_db, 99.8))
    seconds = len(audio) / rate_hz
    image = panel.pcolormesh(
        start_s + np.linspace(0.0, seconds, columns + 1),
        _row_edges(frequencies_hz),
        levels_db,
        cmap="magma",
        vmin=top_db - SMALL_RANGE_DB,
        vmax=top_db,
        rasterized=True,
    )
    panel.set_xlim(start_s, start_s + seconds)
    _scale_hz(panel, frequencies_hz)
    _scale_clock(panel, start_s + seconds, seconds)
    box = panel.get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((0.942, box.y0, 0.008, box.height - 0.06)))
    bar.outline.set_visible(False)
    bar.set_ticks(
        12.0 * np.arange(math.ceil((top_db - SMALL_RANGE_DB) / 12.0), math.floor(top_db / 12.0) + 1)
    )
    bar.ax.tick_params(colors=FAINT, labelsize=8.5, length=0, pad=3)
    bar.ax.set_title("dB", color=FAINT, fontsize=9, pad=5)
    for every in figure.axes:
        for spine in every.spines.values():
            spine.set_visible(False)
    panel.tick_params(axis="both", which="both", colors=FAINT, labelsize=9, length=0, pad=4)
    figure.text(0.006, box.y1 - 0.035, "Hz", color=FAINT, fontsize=9)
    _save(figure, path)


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    """The figure as a file of the kind its name says, or PNG; it has its name only when it is whole."""
    kind = os.path.splitext(os.fspath(path))[1][1:].lower() or "png"
    packing = {"quality": 72, "method": 6} if kind == "webp" else {}
    part = f"{os.fspath(path)}.part"
    try:
        figure.savefig(part, format=kind, facecolor=NIGHT, pil_kwargs=packing)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


def _beside(panel: Any, text: str, height: float, colour: str) -> None:
    """A few words to the right of a panel, at a height of its own scale."""
    panel.annotate(
        text,
        (1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(7, 0),
        textcoords="offset points",
        color=colour,
        fontsize=10 if panel.figure.bbox.width > SMALL_PIXELS[0] else 9,
        va="center",
        annotation_clip=False,
    )


def _draw_loudness(panel: Any, meter: Meter) -> None:
    times_s, momentary, short_term = meter.curve(0.1)
    stride = max(1, len(times_s) // (4 * round(panel.bbox.width)))
    panel.plot(times_s[::stride], _drawn(momentary[::stride]), color=MOMENTARY, linewidth=0.8)
    panel.plot(times_s[::stride], _drawn(short_term[::stride]), color=SHORT_TERM, linewidth=2.0)
    integrated = meter.integrated()
    loudest = meter.momentary_max if math.isfinite(meter.momentary_max) else -20.0
    if math.isfinite(integrated):
        panel.axhline(integrated, color=INK, linewidth=1.0, linestyle=(0, (5, 4)), alpha=0.8)
        _beside(panel, _signed(integrated), integrated, INK)
    top = min(6.0, 6.0 * math.ceil(loudest / 6.0) + 2.0)
    panel.set_ylim(top - 56.0, top)
    panel.grid(axis="y", color=LINE, linewidth=0.6)
    _label(panel, "LUFS")


def _finish(
    figure: Any,
    names: Any,
    panels: Sequence[Any],
    scenes: Sequence[Scene],
    seconds: float,
    path: str | os.PathLike[str],
) -> None:
    """Scene names on top, borders through all panels, the clock at the bottom; and the file."""
    names.set_xlim(0.0, seconds)
    names.set_axis_off()
    _draw_names(names, scenes, seconds)
    for panel in panels:
        if panel.get_facecolor()[:3] != (0.0, 0.0, 4 / 255):
            panel.set_facecolor(PANEL)
        for start_s in [start_s for _, start_s, _ in scenes if start_s > 0.0]:
            panel.axvline(start_s, color=INK, linewidth=0.9, alpha=0.6)
        for spine in panel.spines.values():
            spine.set_visible(False)
        panel.tick_params(axis="both", which="both", colors=FAINT, labelsize=9, length=0, pad=5)
        panel.tick_params(axis="x", labelbottom=panel is panels[-1])
    _scale_clock(panels[-1], seconds, seconds)
    _save(figure, path)


def _draw_names(panel: Any, scenes: Sequence[Scene], seconds: float) -> None:
    """A coloured bar for each scene, and over its start its name, on the lowest of three lines with room."""
    free_s = [-math.inf] * 3
    panel.set_ylim(0.0, 3.8)
    for number, (name, start_s, end_s) in enumerate(scenes):
        colour = SCENES[number % len(SCENES)]
        panel.axvspan(start_s, end_s, 0.0, 0.13, color=_mixed(colour, "#ffffff", 0.85), linewidth=0)
        # At 11 points a letter takes about 8 pixels.
        width_s = (len(name) + 0.6) * 8.0 / panel.bbox.width * seconds
        line = next((k for k in range(3) if start_s >= free_s[k]), 2)
        free_s[line] = start_s + width_s
        from_right = start_s + width_s > seconds
        panel.text(
            end_s if from_right else start_s,
            line + 1.2,
            name.replace("_", " "),
            color=_lighter(colour),
            parse_math=False,
            fontsize=11,
            va="center",
            ha="right" if from_right else "left",
        )


def _tint(panel: Any, scenes: Sequence[Scene]) -> None:
    for number, (_, start_s, end_s) in enumerate(scenes):
        panel.axvspan(start_s, end_s, color=SCENES[number % len(SCENES)], alpha=0.34, linewidth=0)


def _mixed(colour: str, other: str, share: float) -> tuple[float, ...]:
    """`share` of a colour in another."""
    pairs = [(int(colour[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5)]
    return tuple((share * one + (1.0 - share) * two) / 255.0 for one, two in pairs)


def _lighter(colour: str) -> tuple[float, ...]:
    return _mixed(colour, "#ffffff", 0.5)


def _label(panel: Any, text: str) -> None:
    panel.set_ylabel(text, color=FAINT, fontsize=10, labelpad=8)
    panel.yaxis.set_label_coords(-48.0 / panel.bbox.width, 0.5)


def _row_edges(frequencies_hz: F64) -> F64:
    half = np.sqrt(frequencies_hz[1] / frequencies_hz[0])
    return np.concatenate([frequencies_hz[:1] / half, frequencies_hz * half])


def _drawn(loudness: F32) -> F64:
    """Readings as a line shows them: none where there was none, the deepest silence at the bottom."""
    heard = np.flatnonzero(np.isfinite(loudness))
    drawn = np.maximum(loudness.astype(np.float64), -120.0)
    drawn[: heard[0] if len(heard) else len(drawn)] = np.nan
    return drawn


def _signed(level_db: float) -> str:
    """A level with a typographer's minus."""
    return f"{level_db:.1f}".replace("-", "−").replace("inf", "∞")


def _apart(heights: list[float], least: float) -> list[float]:
    """The same heights from 0 to 1, moved towards the middle where they would write over each other."""
    upwards = sum(heights) < 0.5 * len(heights)
    moved = list(heights) if upwards else [1.0 - height for height in heights]
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + least)
    return moved if upwards else [1.0 - height for height in moved]


def _tick_s(seconds: float) -> float:
    """A round step of the clock that leaves about a dozen ticks."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    return next((step for step in steps if seconds / step <= 16), 14400.0)


def _clock(time_s: float) -> str:
    """m:ss, with hours where there are some, and tenths in what is very short."""
    if time_s < 5.0 and time_s != round(time_s):
        return f"{time_s:.1f} s"
    minutes, whole_s = divmod(round(time_s), 60)
    if minutes < 60:
        return f"{minutes}:{whole_s:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{whole_s:02d}"
