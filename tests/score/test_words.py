import re

import pytest

from resonance.score.words import TIME_PATTERN, nearest, read_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("0.5", 0.5),
        ("1.5s", 1.5),
        ("1m30s", 90.0),
        ("1m30", 90.0),
        ("1.5m", 90.0),
        ("12m", 720.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1h0m5.25s", 3605.25),
        ("1:30", 90.0),
        ("0:01.5", 1.5),
        ("90:00", 5400.0),
        ("1:02:03", 3723.0),
        ("24:00:00", 86400.0),
        (" 1:30 ", 90.0),
    ],
)
def test_times_read_as_people_write_them(text, seconds):
    assert read_time(text) == seconds
    assert re.search(TIME_PATTERN, text.strip())


@pytest.mark.parametrize(
    "text",
    ["", "s", ":", "1:", ":30", "1:60", "1:60:00", "1:2:3:4", "-5", "+5", "1e3", "nan", "5 min", "٣", "1s1m"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_a_remedy(text):
    with pytest.raises(ValueError, match=r"is no time: write 90, 90s, 1m30s, 1:30 or 1:02:03") as caught:
        read_time(text)
    assert len(str(caught.value)) < 200
    assert not re.search(TIME_PATTERN, text)


def test_the_remedy_quotes_what_was_typed():
    with pytest.raises(ValueError, match=re.escape("'1:6o' is no time")):
        read_time("1:6o")


def test_a_near_name_is_suggested_and_a_far_one_is_not():
    assert nearest("dron", ["room", "drone"]) == ": did you mean 'drone'?"
    assert nearest("xylophone", ["room", "drone"]) == ""
    assert nearest("drone" * 100_000, ["drone" * 99_999]) == ""
