import tomllib

import pytest

from resonance.score.lines import line_of, lines, overlong_key


def paths(value, path=()):
    """Every path of a TOML document, however deep."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


TEXT = '''# a comment with [brackets] = and "quotes"
title = "a = [b] # no comment"   # a comment
about = """
several = 1
[lines]
"""
literal = \'\'\'
it's ]] '' here
\'\'\'
"quoted key" = 1
'single.quoted' = { a = 1, b.c = [1, 2], "d\\u0065" = {} }
dotted.key.here = 3.25
dotted . key . there = 1979-05-27 07:32:00
list = [ 1.5, "]", # a comment ]
  2.5, [3, 4,
  5],
  { x = 1 }, {}
]

[table]
one = 1
[table.inner]
two = 2

[[scene]]
name = "a"
[scene.sounds]
drone = { gain_db = -6, glow = [0.2, 0.6] }
room = -12

[[ scene ]] # spaced
name = "b"
curve = [
  [0, 0.5],

  [1, 0.2],
]
[[scene.notes]]
pitch = 1
[[scene.notes]]
pitch = 2
[scene.sounds.drone]
glow = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("about",), 3),
        (("literal",), 7),
        (("quoted key",), 10),
        (("single.quoted",), 11),
        (("single.quoted", "b", "c"), 11),
        (("single.quoted", "de"), 11),
        (("dotted", "key", "here"), 12),
        (("dotted", "key", "there"), 13),
        (("list",), 14),
        (("list", 1), 14),
        (("list", 2), 15),
        (("list", 3), 15),
        (("list", 3, 2), 16),
        (("list", 4), 17),
        (("list", 4, "x"), 17),
        (("list", 5), 17),
        (("table",), 20),
        (("table", "one"), 21),
        (("table", "inner"), 22),
        (("table", "inner", "two"), 23),
        (("scene",), 25),
        (("scene", 0), 25),
        (("scene", 0, "name"), 26),
        (("scene", 0, "sounds"), 27),
        (("scene", 0, "sounds", "drone", "glow"), 28),
        (("scene", 0, "sounds", "drone", "glow", 1), 28),
        (("scene", 0, "sounds", "room"), 29),
        (("scene", 1), 31),
        (("scene", 1, "name"), 32),
        (("scene", 1, "curve", 0), 34),
        (("scene", 1, "curve", 0, 1), 34),
        (("scene", 1, "curve", 1), 36),
        (("scene", 1, "curve", 1, 1), 36),
        (("scene", 1, "notes", 0, "pitch"), 39),
        (("scene", 1, "notes", 1), 40),
        (("scene", 1, "notes", 1, "pitch"), 41),
        (("scene", 1, "sounds", "drone"), 42),
        (("scene", 1, "sounds", "drone", "glow"), 43),
    ],
)
def test_every_kind_of_value_is_found_on_its_line(path, line):
    assert path in set(paths(tomllib.loads(TEXT)))
    assert line_of(path, lines(TEXT)) == line


def test_no_path_is_made_up():
    for text in (TEXT, TEXT.replace("\n", "\r\n")):
        assert set(lines(text)) <= set(paths(tomllib.loads(text)))


def test_windows_line_ends_count_once():
    assert lines(TEXT.replace("\n", "\r\n")) == lines(TEXT)


def test_what_is_not_there_has_the_line_of_what_surrounds_it():
    found = lines(TEXT)
    assert line_of(("scene", 1, "length"), found) == 31
    assert line_of(("nothing",), found) == 1
    assert line_of((), {}) == 1


def test_a_file_that_does_not_end_in_a_newline_is_read_to_its_end():
    assert lines("a = 1\nb = [\n2") == {("a",): 1, ("b",): 2, ("b", 0): 3}


def test_keys_of_too_many_parts_are_found_and_dots_elsewhere_are_not():
    assert overlong_key("a = 1\n" + "b." * 40 + "c = 1") == 2
    assert overlong_key('"x" . ' * 40 + "c = 1") == 1
    assert overlong_key("[" + "b." * 40 + "c]") == 1
    assert overlong_key("a = [" + "0.5, " * 100 + "]") is None
    assert overlong_key('a = "' + "." * 100 + '"') is None


@pytest.mark.parametrize(
    "text",
    ["[" * 99_999, "a." * 99_999, '"' * 99_999, '"""' + "\\" * 99_999, "'''" + "'a" * 9_999, '="""a' * 9_999],
)  # fmt: skip
def test_junk_is_walked_over_without_recursion_and_in_linear_time(text):
    overlong_key("." * 40 + "\n" + text)
