"""Reads a render of the dream as a stranger would, and fails where it is not what the README promises."""

import sys

import numpy as np
import soundfile
from scipy.signal import resample_poly

info = soundfile.info(sys.argv[1])
assert (info.frames, info.samplerate, info.channels, info.subtype) == (720 * 48_000, 48_000, 2, "PCM_24"), (
    info
)
total = np.zeros(2)
peak = 0.0
for block in soundfile.blocks(sys.argv[1], blocksize=480_000, overlap=256):
    assert np.isfinite(block).all()
    total += block.sum(axis=0)
    peak = max(peak, float(np.abs(resample_poly(block, 4, 1, axis=0)).max()))
dc_db = 20.0 * np.log10(np.abs(total / info.frames).max())
peak_dbtp = 20.0 * np.log10(peak)
print(f"{sys.argv[1]}: {info.duration:.3f} s, true peak {peak_dbtp:.2f} dBTP, DC {dc_db:.1f} dBFS")
assert peak_dbtp <= -1.0
assert dc_db < -60.0
