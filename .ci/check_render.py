"""Reads a render of the dream as a stranger would, and fails where it is not what the README promises."""

import sys
from itertools import pairwise

import numpy as np
import soundfile
from scipy.signal import resample_poly

import resonance

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

# No click where a scene meets the next: the sharpest bend of the wave there is no sharper than its
# neighbours within two seconds. The mirror's shattering, at the border to the fall, is meant.
border_s = 0.0
for scene, after in pairwise(resonance.load("dream").scenes):
    border_s += scene.length_s
    begin = round((border_s - 2.0) * info.samplerate)
    around, _ = soundfile.read(sys.argv[1], start=begin, frames=4 * info.samplerate)
    bend = np.abs(np.diff(around, 2, axis=0)).max(axis=1)
    at_border = bend[round(1.95 * info.samplerate) : round(2.05 * info.samplerate)].max()
    usual = np.quantile(bend, 0.999)
    print(f"{after.name}: bends by {at_border / usual:.2f} of what is usual beside the border")
    assert after.name == "fall" or at_border < 3.0 * usual + 1e-5, after.name
