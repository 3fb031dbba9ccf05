"""The options of the commands that make files. Nothing here imports what is slow to import."""

from __future__ import annotations

import argparse

RATES_HZ = (44100, 48000, 88200, 96000, 192000)
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")
MOST_SEEDS = 10_000
MOST_WORKERS = 64
VOLUME_DB = (-60.0, 12.0)
LATENCY_MS = (5.0, 1300.0)
LEAST_LUFS = -60.0


def time(text: str) -> float:
    """A time as people type it, in seconds."""
    from resonance.score.words import read_time

    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"a seed is a whole number up to 18 digits, not {text[:40]!r}")
    return int(text)


def seeds(text: str) -> list[int]:
    """`1..50`: a row of seeds."""
    first, dots, last = text.partition("..")
    if not dots:
        raise argparse.ArgumentTypeError(f"a row of seeds is written 1..50, not {text[:40]!r}")
    row = range(seed(first), seed(last) + 1)
    if not 1 <= len(row) <= MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{text[:40]} is no row of 1 to {MOST_SEEDS} seeds")
    return list(row)


def lock(text: str) -> tuple[str, int]:
    """`heartbeat=7`: a sound and its own seed."""
    name, equals, number = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"a lock is written SOUND=SEED, not {text[:40]!r}")
    return name, seed(number)


def hit(text: str) -> tuple[str, float]:
    """`tree=2:10`: a scene and when it begins."""
    name, equals, at = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"a hit is written SCENE=TIME, not {text[:40]!r}")
    return name, time(at)


def lufs(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 1.0
    if not LEAST_LUFS <= level <= 0.0:
        raise argparse.ArgumentTypeError(f"a loudness is {LEAST_LUFS:g} to 0 LUFS, not {text[:40]!r}")
    return level


def said(text: str) -> str:
    """A name of anything: an empty one is a variable of a shell that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("its name is empty")
    return text


def names(text: str) -> list[str]:
    """`drone,lullaby`: one name or more."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"names are written drone,lullaby, not {text[:40]!r}")
    return found


def workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_WORKERS):
        raise argparse.ArgumentTypeError(f"workers are 1 to {MOST_WORKERS}, not {text[:40]!r}")
    return int(text)


def add_render(render: argparse.ArgumentParser) -> None:
    """What `resonance render` can be asked."""
    render.add_argument("score", nargs="?", default="dream", metavar="SCORE", help="a preset or a .toml file")
    render.add_argument(
        "-o",
        "--output",
        type=said,
        metavar="FILE",
        help="default: renders/<score>-<seed>.wav; - is standard output",
    )
    which = render.add_mutually_exclusive_group()
    which.add_argument(
        "--seed",
        type=seed,
        nargs="+",
        metavar="N",
        help="another seed, another piece; several, several files",
    )
    which.add_argument("--seeds", type=seeds, metavar="N..M", help="a file for every seed of a row")
    _add_lock(render)
    render.add_argument("--duration", type=time, metavar="T", help="stretch the scenes to 1m .. 24h")
    render.add_argument(
        "--hit", type=hit, action="append", default=[], metavar="SCENE=T",
        help="this scene begins exactly there (repeatable)",
    )  # fmt: skip
    render.add_argument(
        "--loop", action="store_true", help="a seamless loop: its end rings and flows into its beginning"
    )
    render.add_argument(
        "--lufs", type=lufs, metavar="L", help="come to this integrated loudness, true peak under -1 dBTP"
    )
    render.add_argument("--start", type=time, metavar="T", default=0.0, help="from there in the piece on")
    render.add_argument("--end", type=time, metavar="T", help="up to there in the piece")
    render.add_argument(
        "--rate", type=int, choices=RATES_HZ, metavar="HZ", help="44100 .. 192000, default 48000"
    )
    render.add_argument(
        "--subtype", choices=SUBTYPES, help="sample format; default PCM_24; stems: FLOAT, or PCM_24"
    )
    render.add_argument(
        "--stems", type=said, metavar="DIR", help="also one dry file a sound, space.wav and premaster.wav"
    )
    render.add_argument("--only", type=names, default=[], metavar="NAMES", help="only these sounds are heard")
    render.add_argument("--without", type=names, default=[], metavar="NAMES", help="these are not heard")
    render.add_argument(
        "--events", type=said, metavar="FILE", help="also a JSON line for every event, with its rule"
    )
    render.add_argument(
        "--midi", type=said, metavar="FILE.mid", help="a MIDI file plays the score's sounds with it"
    )
    render.add_argument(
        "--take", type=said, metavar="FILE.take", help="what was played in a take, instead of a score"
    )
    render.add_argument(
        "--midi-out",
        type=said,
        metavar="FILE.mid",
        help="also the notes and hits as a MIDI file, scenes as markers",
    )
    _add_workers(render)
    render.add_argument("--json", action="store_true", help="a summary on standard output")
    render.add_argument(
        "--resume", action="store_true", help="go on from what an interrupted render left as .part"
    )
    render.add_argument("--force", action="store_true", help="overwrite existing files")


def add_verify(verify: argparse.ArgumentParser) -> None:
    """What `resonance verify` can be asked."""
    verify.add_argument("take", metavar="FILE.take", help="what was played")
    verify.add_argument(
        "audio",
        nargs="?",
        metavar="FILE.wav",
        help="a recording of it, or a render (default: the digests kept in the take)",
    )


def add_sheet(sheet: argparse.ArgumentParser) -> None:
    """What `resonance sheet` can be asked."""
    sheet.add_argument("score", nargs="?", default="dream", metavar="SCORE", help="a preset or a .toml file")
    sheet.add_argument("--seeds", type=seeds, required=True, metavar="N..M", help="a preview for every seed")
    sheet.add_argument(
        "-o", "--output", type=said, required=True, metavar="DIR", help="the folder for page and files"
    )
    sheet.add_argument(
        "--duration", type=time, default=60.0, metavar="T", help="the whole piece in this time; default 1m"
    )
    _add_lock(sheet)
    _add_workers(sheet)
    sheet.add_argument("--force", action="store_true", help="overwrite existing files")


def _add_lock(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--lock", type=lock, action="append", default=[], metavar="SOUND=SEED",
        help="this sound keeps a seed of its own (repeatable)",
    )  # fmt: skip


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers", type=workers, default=1, metavar="N", help="so many cores side by side; the same bytes"
    )


def add_batch(batch: argparse.ArgumentParser) -> None:
    """What `resonance batch` can be asked."""
    batch.add_argument("jobs", metavar="JOBS.toml", help="what to render: [all] and a [[job]] each")
    where = batch.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=workers, metavar="N", help="processes on this machine; default: one a core"
    )
    where.add_argument(
        "--scheduler", type=said, metavar="ADDRESS", help="a dask.distributed cluster's, tcp://host:8786"
    )
    batch.add_argument("--force", action="store_true", help="overwrite files that are not the batch's own")


def volume(text: str) -> float:
    return _bounded(text, "a volume", "dB", *VOLUME_DB)


def latency(text: str) -> float:
    return _bounded(text, "a latency", "ms", *LATENCY_MS)


def _bounded(text: str, what: str, unit: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(
            f"{what} is a number from {low:g} to {high:g} {unit}, not {text[:40]!r}"
        )
    return value


def clock(text: str) -> tuple[int, int]:
    """`7:30`: hour and minute of a day."""
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit()):
        raise argparse.ArgumentTypeError(f"a time of day is written 23:45, not {text[:40]!r}")
    if int(hour) > 23 or int(minute) > 59 or len(minute) != 2:
        raise argparse.ArgumentTypeError(f"{text[:40]} is no time of day: 00:00 to 23:59")
    return int(hour), int(minute)


def add_play(play: argparse.ArgumentParser) -> None:
    """What `resonance play` can be asked, and `resonance perform` too."""
    play.add_argument("score", nargs="?", default="dream", metavar="SCORE", help="a preset or a .toml file")
    play.add_argument(
        "--device", type=said, metavar="NAME|N", help="an output, or a part of its name (resonance devices)"
    )
    play.add_argument("--latency", type=latency, metavar="MS", help="how far it plays ahead, 5 to 1300 ms")
    play.add_argument(
        "--endless", action="store_true", help="never ends: another night, newly seeded, each time"
    )
    play.add_argument("--scene", metavar="NAME", help="start there")
    play.add_argument("--hold", action="store_true", help="stay in that scene for ever")
    end = play.add_mutually_exclusive_group()
    end.add_argument("--sleep", type=time, metavar="T", help="come to rest, and end, after this time")
    end.add_argument(
        "--until", type=clock, metavar="HH:MM", help="come to rest, and end, at this time of day"
    )
    play.add_argument("--volume", type=volume, default=0.0, metavar="DB", help="-60 to 12, default 0")
    play.add_argument("--watch", action="store_true", help="follow the score whenever it is saved")
    play.add_argument("--seed", type=seed, metavar="N", help="another seed, another piece")


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) < 65_536):
        raise argparse.ArgumentTypeError(f"a port is a number up to 65535, not {text[:40]!r}")
    return int(text)


def add_perform(perform: argparse.ArgumentParser) -> None:
    """What `resonance perform` can be asked beyond `play`."""
    perform.add_argument(
        "--midi-in", type=said, action="append", default=[], metavar="NAME",
        help="an input port, or a part of its name (repeatable); default: all, as they come and go",
    )  # fmt: skip
    perform.add_argument("--midi-clock", action="store_true", help="the heart follows an incoming MIDI clock")
    perform.add_argument(
        "--midi-clock-out",
        type=said,
        metavar="NAME",
        help="send the heart's beat as a MIDI clock to this output port",
    )
    perform.add_argument(
        "--map", type=said, metavar="FILE.toml", help="which control moves what; default: as learned"
    )
    perform.add_argument(
        "--learn", action="store_true", help="type a target, move a control: saved to the map"
    )
    perform.add_argument("--osc", type=port, metavar="PORT", help="take OSC on this UDP port; 0 is any free")
    perform.add_argument(
        "--osc-host",
        type=said,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where from: 0.0.0.0 is every network",
    )
    perform.add_argument(
        "--record", type=said, metavar="FILE.take", help="write all that is played, to render it again"
    )
    perform.add_argument(
        "--heart", nargs="?", const="", metavar="NAME", help="a Bluetooth heart-rate sensor leads the heart"
    )
