import numpy as np
import pytest

from resonance.dsp.vowels import LOW, WOMAN, formants_at, sung

throats = pytest.mark.parametrize("throat", [LOW, WOMAN])


@throats
def test_whole_numbers_are_the_vowels_of_the_table(throat):
    last = len(throat.centre_hz) - 1
    centre_hz, level = formants_at(throat, np.arange(last + 1.0))
    assert np.allclose(centre_hz, throat.centre_hz)
    assert np.allclose(20.0 * np.log10(level), throat.level_db)


@throats
def test_between_two_vowels_lies_their_middle(throat):
    centre_hz, level = formants_at(throat, np.array([0.5]))
    assert np.allclose(centre_hz[0], throat.centre_hz[:2].mean(axis=0))
    assert np.allclose(20.0 * np.log10(level[0]), throat.level_db[:2].mean(axis=0))


@throats
def test_a_harmonic_is_loudest_on_the_first_formant_and_3_db_down_at_its_band_edge(throat):
    centre_hz, level = formants_at(throat, np.array([1.0]))
    first_hz, width_hz = centre_hz[0, 0], throat.bandwidth_hz[0]
    frequency_hz = np.array([[first_hz - width_hz / 2.0, first_hz, first_hz + width_hz / 2.0]])
    # One formant alone, its source's fall taken back.
    alone = np.where(np.arange(5) == 0, level, 0.0)
    fall = 1.0 + (frequency_hz / 700.0) ** 1.2
    heard_db = 20.0 * np.log10(sung(throat, frequency_hz, centre_hz, alone) * fall)[0]
    assert heard_db == pytest.approx([-3.01, 0.0, -3.01], abs=0.01)
