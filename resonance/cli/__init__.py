"""The command line: words to calls. Each command's work is in a file of this folder, read when it is used.

Whatever goes wrong ends in one line on standard error that begins with `error:` and says what to do:
2 for a wrong call or a score that does not validate, 1 for what failed while running, 130 when interrupted,
143 when told to end (SIGTERM), 129 when its terminal is gone (SIGHUP).
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from resonance import __version__
from resonance.cli import options

# A process that ends need not look through all it has for rubbish: it would take a sixth of a second.
atexit.register(gc.freeze)


class CallError(Exception):
    """A call that cannot be meant; the text says what to call instead. `said` is that without the option."""

    def __init__(self, text: str, said: str = "") -> None:
        super().__init__(text)
        self.said = said or text


class Failure(Exception):
    """What failed while running, and is nobody's mistake; the text says what."""


class _Parser(argparse.ArgumentParser):
    """argparse, which says what was meant, and whose help to see, in our way."""

    def error(self, message: str) -> NoReturn:
        named = re.match(r"argument [^ ]+: ", message)
        raise CallError(f"{message} (see: {self.prog} --help)", message[named.end() :] if named else message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what is left over here, where it is known which command's options there are."""
        arguments, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0][:40]
            if not word.startswith("-"):
                self.error(f"{word!r} is a word too many")
            self.error(f"there is no {word}{_nearest(word, self._option_string_actions)}")
        return arguments, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            guess = (isinstance(value, str) and _nearest(value, known)) or f"; there are {', '.join(known)}"
            raise argparse.ArgumentError(action, f"there is no {str(value)[:40]}{guess}")


def _nearest(name: str, known: Iterable[str]) -> str:
    """A guess at what was meant; what guesses is imported only where something is wrong."""
    from resonance.score.words import nearest

    return nearest(name, known)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="resonance",
        description="A generative ambient audio engine: a dream of a climb, rendered or heard as it plays.",
        epilog="Example: resonance render dream -o dream.wav",
    )
    parser.add_argument("--version", action="version", version=f"resonance {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, home: str, help_text: str, example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help_text,
            description=help_text[0].upper() + help_text[1:] + ".",
            epilog=f"Example: {example}",
        )
        made.set_defaults(home=home)
        made.add_argument("--debug", action="store_true", help="show the traceback of what goes wrong")
        return made

    def allow_code(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--allow-code", action="store_true", help="let the score run sounds of its own (Python files)"
        )

    render = command(
        "render", "render", "render a score to a file", "resonance render dream --seed 7 -o d.flac"
    )
    options.add_render(render)
    allow_code(render)

    sheet = command(
        "sheet",
        "sheet",
        "a contact sheet: previews and pictures of many seeds on one page",
        "resonance sheet dream --seeds 1..12 -o sheet",
    )
    options.add_sheet(sheet)
    allow_code(sheet)

    batch = command(
        "batch", "batch", "render many, on all cores or a cluster", "resonance batch jobs.toml --workers 2"
    )
    options.add_batch(batch)
    allow_code(batch)

    play = command("play", "play", "play a score on the speakers", "resonance play dream --endless")
    options.add_play(play)
    allow_code(play)
    perform = command(
        "perform",
        "perform",
        "play a score with MIDI and OSC",
        "resonance perform dream --midi-clock --record a.take",
    )
    options.add_play(perform)
    options.add_perform(perform)
    allow_code(perform)
    verify = command(
        "verify",
        "takes",
        "render a take and compare it with what was heard",
        "resonance verify takes/night.take night.wav",
    )
    options.add_verify(verify)
    allow_code(verify)
    command("devices", "devices", "list audio outputs and MIDI ports, defaults marked", "resonance devices")

    presets = command("presets", "look", "list the presets: name, length, what it is", "resonance presets")
    presets.set_defaults(act="presets")
    check = command("check", "look", "validate scores; silent when all are fine", "resonance check my.toml")
    check.set_defaults(act="check")
    check.add_argument("scores", nargs="+", metavar="SCORE", help="presets or .toml files")
    allow_code(check)
    show = command("show", "look", "list the sounds, or one sound's parameters", "resonance show crystals")
    show.set_defaults(act="show")
    show.add_argument("sound", nargs="?", metavar="SOUND", help="a sound, an effect, or a sound's .py file")
    allow_code(show)
    schema = command("schema", "look", "print the JSON Schema of scores", "resonance schema > score.json")
    schema.set_defaults(act="schema")
    schema.add_argument("sounds", nargs="*", metavar="FILE.py", help="sounds of your own, to be known too")
    allow_code(schema)

    inspect = command(
        "inspect",
        "inspect",
        "draw a score's arc, or an audio file",
        "resonance inspect dream.wav -o dream.png",
    )
    inspect.add_argument("subject", metavar="SCORE|FILE", help="a preset, a .toml file or an audio file")
    inspect.add_argument(
        "-o", "--output", type=options.said, required=True, metavar="PNG", help="the picture's file"
    )
    inspect.add_argument("--force", action="store_true", help="overwrite an existing picture")
    allow_code(inspect)
    command("doctor", "doctor", "what is installed, what is missing, and how fast it is", "resonance doctor")
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The words of a call as arguments; raises CallError for one that cannot be meant."""
    return _parser().parse_args(argv)


@contextmanager
def _ending() -> Iterator[list[int]]:
    """What asks for an end interrupts as Ctrl-C does; the signals that came. Ignored ones stay ignored."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()
    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if here and hasattr(signal, name)]
    meant = [number for number in asked if signal.getsignal(number) is signal.SIG_DFL]
    for number in meant:
        signal.signal(number, end)
    try:
        yield came
    finally:
        for number in meant:
            signal.signal(number, signal.SIG_DFL)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code."""
    with _ending() as came:
        return _main(sys.argv[1:] if argv is None else argv, came)


def _main(argv: Sequence[str], came: Sequence[int]) -> int:
    debug = "--debug" in argv
    try:
        arguments = parse(argv)
        if arguments.command is None:
            _parser().print_help()
            return 0
        run = importlib.import_module(f"resonance.cli.{arguments.home}").run
        return int(run(arguments))
    except CallError as error:
        return _failed(str(error), 2)
    except Failure as error:
        return _failed(str(error), 1)
    except KeyboardInterrupt as error:
        return _failed(str(error) or "interrupted", 128 + (came[0] if came else signal.SIGINT))
    except BrokenPipeError:
        # The reader has gone; what is left to be flushed at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        from resonance.cli.faults import explained

        text, code = explained(error)
        return _failed(text, code)


def _failed(text: str, code: int) -> int:
    for line in text.splitlines() or ["something failed without a word; try --debug"]:
        print(f"error: {line}", file=sys.stderr)
    return code
