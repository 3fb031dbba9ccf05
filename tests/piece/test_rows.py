"""The 32 images of the dream, each with the test that measures its evidence; a row without one fails here."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent

ROWS = {
    1: "test_dream::test_1_the_drone_hums_on_multiples_of_its_root",
    2: "test_dream::test_2_the_lullaby_sings_degrees_with_a_throat",
    3: "test_dream::test_3_a_crystal_rings_as_long_as_it_is_asked_at_every_pitch",
    4: "test_dream::test_4_every_memory_follows_a_crystal",
    5: "test_moss::test_glimmers_come_in_clusters",
    6: "test_birds::test_three_birds_cross_from_one_side_to_the_other",
    7: "test_stars::test_over_200_partials_glitter_above_3_khz",
    8: "test_city::test_it_is_far_and_mostly_reverberation",
    9: "test_dream::test_9_under_strain_the_crystals_snap",
    10: "test_fog_and_collapse::test_in_the_densest_fog_the_mix_is_at_most_half_as_bright_as_in_the_ascent",
    11: "test_stars::test_they_drown_in_doubt",
    12: "test_shadow::test_it_is_five_times_as_rough_as_the_drone_in_base",
    13: "test_fog_and_collapse::test_everything_falls_under_45_lufs_for_three_seconds",
    14: "test_dream::test_14_the_heart_beats_as_a_heart",
    15: "test_moonlight::test_vowels_are_sung_in_most_frames",
    16: "test_seed::test_harmonics_are_added_one_by_one",
    17: "test_vision_desert::test_there_is_no_ground",
    18: "test_vision_hollow::test_only_odd_partials",
    19: "test_vision_now::test_it_is_the_pure_root_chord",
    20: "test_fire::test_the_flare_rises_over_20_db_in_under_half_a_second",
    21: "test_tree::test_pitches_of_onsets_rise_with_time",
    22: "test_roar::test_it_has_12_db_more_overtones_than_the_drone",
    23: "test_symphony::test_24_voices_on_multiples_of_the_root_sound_together",
    24: "test_wind::test_there_are_blades_enough_for_twenty_in_agony",
    25: "test_stars::test_they_are_roughest_and_brightest_in_agony",
    26: "test_steps_and_breath::test_one_step_a_beat_locked_to_the_heart",
    27: "test_mirror::test_at_first_it_turns_time_alone",
    28: "test_storm::test_it_is_either_bright_or_dark",
    29: "test_shatter::test_over_a_thousand_shards_fall_in_number",
    30: "test_fall::test_it_goes_out_and_not_down",
    31: "test_dream::test_31_the_room_is_quiet_and_trembles",
    32: "test_dream::test_32_the_mountain_is_far_and_the_ember_outlasts_all",
}


def test_every_row_of_the_map_is_here() -> None:
    assert sorted(ROWS) == list(range(1, 33))
    assert len(set(ROWS.values())) == 32


@pytest.mark.parametrize("row", sorted(ROWS))
def test_a_row_has_its_test(row: int) -> None:
    file, _, name = ROWS[row].partition("::")
    found = {
        node.name: node
        for node in ast.parse((HERE / f"{file}.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert name in found
    assert any(isinstance(node, ast.Assert) for node in ast.walk(found[name])), "a test that cannot fail"
