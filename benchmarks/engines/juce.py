"""pedalboard: JUCE's effects, from Python, in blocks of 512 frames."""

from __future__ import annotations

from pathlib import Path

from engines import pypi

NAME = "pedalboard"

VARIANTS = {
    "W5": {"Reverb": "Reverb (Freeverb), 8 combs a side, still, T60 not to be asked for"},
    "W6": {"Convolution": "Convolution, at once, blocks of 512"},
}


def version() -> str | None:
    return pypi.version("pedalboard")


def command(
    name: str, variant: str, probe: bool, seconds: float, folder: Path, out: Path
) -> tuple[list[str], dict[str, str]]:
    return pypi.command(__file__, name, variant, probe, seconds, folder, out)


def main() -> None:
    import numpy as np
    import pedalboard

    from engines import work

    name, _, probe, seconds, folder, out = pypi.asked()
    if name == "W5":
        effect = pedalboard.Reverb(room_size=0.87, damping=0.25, wet_level=1.0, dry_level=0.0)
    else:
        effect = pedalboard.Convolution(str(folder / "response.wav"), mix=1.0)
    rng = np.random.default_rng(1)

    def block(start: int) -> np.ndarray:
        x = pypi.stereo_input(probe, start, rng)
        return effect.process(x, work.RATE_HZ, buffer_size=512, reset=False)

    pypi.write(out, seconds, block)


if __name__ == "__main__":
    main()
