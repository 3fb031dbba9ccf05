import tomllib

import jsonschema
import pytest
from small_scores import MINIMAL
from test_reader import FULL

from resonance.score import preset_names, preset_path, schema


@pytest.fixture
def validator(registry):
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


OWN = MINIMAL + "sounds.mine = { shine = [0, 1] }\n[sounds.mine]\ncode = 'mine.py'\n"


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        FULL,
        MINIMAL + "[sounds.memories]\nfiles = ['laugh.wav']\n",
        OWN,
        "sounds = ['mine.py']\n" + MINIMAL + "sounds.mine = {}\n",
        "sounds = ['mine.py']\n" + MINIMAL + "sounds = ['mine']\n",
        MINIMAL + "crossfade = '0:30'\n",
    ],
)
def test_what_can_be_read_validates(text, validator):
    validator.validate(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "[[scene]]\nname = 'a'\nlength = 9\n",
        "format = 2\n" + MINIMAL.partition("\n")[2],
        "format = 1\n",
        "format = 1\nscene = []\n",
        "seeds = 1\n" + MINIMAL,
        "seed = 1.5\n" + MINIMAL,
        "seed = true\n" + MINIMAL,
        "rate_hz = 22050\n" + MINIMAL,
        "root_hz = 5\n" + MINIMAL,
        "bpm = '54'\n" + MINIMAL,
        "tuning = 'a.scala'\n" + MINIMAL,
        "tuning = ['1e9']\n" + MINIMAL,
        'title = "a\\nb"\n' + MINIMAL,
        MINIMAL + "valance = 1\n",
        MINIMAL + "valence = 1.5\n",
        MINIMAL + "valence = []\n",
        MINIMAL + "valence = [0.5, 2]\n",
        MINIMAL + "valence = [[0, 0.5], 0.3]\n",
        MINIMAL + "valence = [[0, 0.5, 1]]\n",
        MINIMAL + "valence = [[2, 0.5]]\n",
        MINIMAL.replace("60", "0"),
        MINIMAL.replace("60", "'1:3o'"),
        MINIMAL.replace("base", "a b"),
        MINIMAL.replace("length = 60\n", ""),
        MINIMAL + "sounds = ['dron']\n",
        MINIMAL + "sounds.dron = {}\n",
        MINIMAL + "sounds.drone = 30\n",
        MINIMAL + "sounds.drone = true\n",
        MINIMAL + "sounds.drone.glow = 2\n",
        MINIMAL + "sounds.drone.glowe = 1\n",
        MINIMAL + "sounds.drone.partials = 5\n",
        MINIMAL + "space.shape = 'cave'\n",
        MINIMAL + "space.t60_s = [4, 99]\n",
        MINIMAL + "[sounds.dron]\n",
        MINIMAL + "[sounds.drone]\nglow = [0, 1]\n",
        MINIMAL + "[sounds.drone]\npartials = 99\n",
        MINIMAL + "[sounds.drone]\nwall = 'wood'\n",
        MINIMAL + "[sounds.memories]\nfiles = 'a.wav'\n",
        MINIMAL + "[space]\nt60_s = 99\n",
        OWN.replace("'mine.py'", "3"),
    ],
)
def test_what_cannot_be_read_does_not_validate(text, validator):
    assert not validator.is_valid(tomllib.loads(text))


def test_a_field_is_described_once_where_it_is_declared(validator):
    scene = validator.schema["properties"]["scene"]["items"]["properties"]
    drone = scene["sounds"]["anyOf"][0]["properties"]["drone"]["anyOf"][1]["properties"]
    assert drone["root_hz"]["description"] == "its root, in Hz"
    assert drone["root_hz"]["anyOf"][0] == {"type": "number", "minimum": 20.0, "maximum": 200.0}
    assert "partials" not in drone


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_validates(name):
    real = jsonschema.Draft202012Validator(schema())
    real.validate(tomllib.loads(preset_path(name).read_text()))
