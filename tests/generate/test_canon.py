from itertools import pairwise

from resonance.generate.canon import Part, canon, lasts

MELODY = [(0, 1.0), (2, 1.0), (4, 2.0)]


def test_each_part_sings_the_melody_after_its_delay():
    tones = canon(MELODY, [Part(0.0, 2), Part(2.0, 3)])
    assert [(t.beat, t.degree, t.octave) for t in tones if t.part == 0] == [(0, 0, 2), (1, 2, 2), (2, 4, 2)]
    assert [(t.beat, t.degree, t.octave) for t in tones if t.part == 1] == [(2, 0, 3), (3, 2, 3), (4, 4, 3)]
    assert [t.place for t in tones if t.part == 1] == [1, 2, 3]
    assert all(a.beat <= b.beat for a, b in pairwise(tones))


def test_an_augmented_part_is_slower():
    tones = canon(MELODY, [Part(1.0, 1, 2.0)])
    assert [t.beat for t in tones] == [1.0, 3.0, 5.0]
    assert tones[-1].beats == 4.0


def test_it_lasts_until_its_last_tone_has_ended():
    assert lasts(MELODY, [Part(0.0, 2)]) == 4.0
    assert lasts(MELODY, [Part(0.0, 2), Part(1.0, 1, 2.0)]) == 9.0
