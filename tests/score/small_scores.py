"""What several of these tests begin with."""

import numpy as np

MINIMAL = """format = 1
[[scene]]
name = "base"
length = 60
"""


def tone(seconds: float, rate_hz: int, channels: int = 2) -> np.ndarray:
    """A sine of 440 Hz, shape (frames, channels)."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.repeat(0.5 * np.sin(2 * np.pi * 440.0 * times)[:, None], channels, axis=1)
