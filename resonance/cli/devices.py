"""`resonance devices`: audio outputs and MIDI ports, the default marked."""

from __future__ import annotations

import argparse
import sys

from resonance.outputs.speakers import DeviceError
from resonance.outputs.speakers.outlet import outputs


def run(_: argparse.Namespace) -> int:
    """Prints what there is, and returns 0 where something can be played on."""
    code = 0
    print("audio outputs (* is the default):")
    try:
        found = outputs()
    except DeviceError as error:
        found, code = [], 1
        print(f"error: {error}", file=sys.stderr)
    for output in found:
        mark = "*" if output.default else " "
        print(f"{mark} {output.number:>2}  {output.name} ({output.system}), {output.rate_hz:.0f} Hz")
    if not found:
        print("  none")
    for kind, names in zip(("inputs", "outputs"), _midi(), strict=True):
        print(f"MIDI {kind} (all inputs are the default):" if kind == "inputs" else f"MIDI {kind}:")
        for name in names or ["none"]:
            print(f"      {name}" if names else f"  {name}")
    return code


def _midi() -> tuple[list[str], list[str]]:
    """The names of the MIDI ports; none where there is no MIDI, which is said."""
    from resonance.inputs.ports import MidiError, names

    try:
        return names()
    except MidiError as error:
        print(f"note: {error}", file=sys.stderr)
        return [], []
