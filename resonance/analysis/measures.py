"""All measures in one place: what the evidence of the dream map is read with."""

from resonance.analysis.decay import band_t60_s, t60_s
from resonance.analysis.levels import (
    am_spectrum,
    band_level_db,
    envelope_autocorrelation,
    envelope_db,
    mono_loss_db,
    rms_db,
    stereo_correlation,
    third_octave_levels,
)
from resonance.analysis.pitch import cents_off_degrees, pitch_track
from resonance.analysis.rhythm import beats, clicks, dip, dip_pvalue
from resonance.analysis.spectra import (
    centroid_hz,
    centroids_hz,
    flatness,
    formant_peaks_hz,
    partials,
    roughness,
    spectrum,
)

__all__ = [
    "am_spectrum",
    "band_level_db",
    "band_t60_s",
    "beats",
    "centroid_hz",
    "centroids_hz",
    "cents_off_degrees",
    "clicks",
    "dip",
    "dip_pvalue",
    "envelope_autocorrelation",
    "envelope_db",
    "flatness",
    "formant_peaks_hz",
    "mono_loss_db",
    "partials",
    "pitch_track",
    "rms_db",
    "roughness",
    "spectrum",
    "stereo_correlation",
    "t60_s",
    "third_octave_levels",
]
