"""Takes: what was played is heard again to the same samples, also after a kill, and nonsense is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from listening import score_of
from test_course import HANDS, RATE_HZ
from test_course import _short_nights as _short_nights
from test_engine import PIECE

import resonance.engine.history as histories
import resonance.engine.performance as performing
from resonance.engine import takes
from resonance.engine.commands import LetGo, NoteOn, Set
from resonance.engine.history import History, Opening
from resonance.engine.performance import Performance
from resonance.engine.takes import Recorder, Take, TakeError, read
from resonance.score import ScoreError

QUIET = PIECE.replace("[[scene]]", "[master]\ngain_db = -12\n[[scene]]", 1)
"""So soft that the ceiling has nothing to forget, which takes half a minute."""


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "FORGETS_S", 4.0)
    monkeypatch.setattr(histories, "KEPT_S", 10.0)
    monkeypatch.setattr(histories, "CHUNK_S", 1.0)


def heard_again(take: Take, rate: float | None = None) -> np.ndarray:
    return np.concatenate(list(take.blocks(rate)))


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, np.ndarray]:
    """A take of seven seconds with notes, controls, jumps and a hold; its first frame, and what was heard."""
    path = tmp_path_factory.mktemp("takes") / "hands.take"
    heard = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histories, "CHUNK_S", 1.0)
        performance = Performance(score_of(QUIET), seed=3, endless=True)
        for at, command in HANDS:
            performance.do(command, at // 2)
        performance.render(33_333)
        with Recorder(path, performance):
            while performance.frame < 8 * RATE_HZ:
                heard.append(performance.render(5_000))
    return path, 33_333, np.concatenate(heard)


def test_a_take_is_heard_again_to_the_same_samples(taken: tuple[Path, int, np.ndarray]) -> None:
    path, first, heard = taken
    take = read(path)
    assert (take.first, take.end - take.first) == (first, len(heard))
    assert len(take.commands) == len(HANDS)
    assert np.array_equal(heard_again(take), heard)
    assert not take.changed


def test_a_take_says_what_was_heard_by_digests(taken: tuple[Path, int, np.ndarray]) -> None:
    path, _, _ = taken
    performance = read(path).performance()
    again = []

    class Ear:
        def did(self, frame: int, command: object) -> None: ...
        def heard(self, frame: int, digest: str) -> None:
            again.append((frame, digest))

    performance.history.listen(Ear())
    performance.render(8 * RATE_HZ)
    digests = read(path).digests
    assert len(digests) >= 6
    assert set(digests) <= set(again)


def test_a_take_is_played_at_another_rate(taken: tuple[Path, int, np.ndarray]) -> None:
    path, _, heard = taken
    again = heard_again(read(path), 24_000.0)
    assert len(again) == pytest.approx(len(heard) / 2, abs=1)
    loud = [
        np.sqrt(np.mean(audio[: len(audio) // 10 * 10].reshape(10, -1) ** 2, axis=1))
        for audio in (heard, again)
    ]
    assert np.corrcoef(*loud)[0, 1] > 0.9


@pytest.mark.parametrize("options", [{"endless": True}, {"hold": True, "scene": "one"}], ids=str)
def test_what_was_kept_is_heard_again_from_an_engine_back(options: dict, tmp_path: Path) -> None:
    performance = Performance(score_of(QUIET), seed=3, **options)
    performance.do(Set("drone.gain_db", -20.0), 200_000)
    performance.do(NoteOn(60, 0.7), 18 * RATE_HZ + 7)
    performance.do(LetGo("drone.gain_db"), 19 * RATE_HZ)
    heard = performance.render(21 * RATE_HZ)
    take = performance.keep(4.0)
    assert (take.first, take.end) == (17 * RATE_HZ, 21 * RATE_HZ)
    assert take.opening.number >= 1
    take.write(tmp_path / "kept.take")
    take = read(tmp_path / "kept.take")
    assert np.array_equal(heard_again(take), heard[17 * RATE_HZ :])
    assert len(take.digests) == 4
    with pytest.raises(FileExistsError):
        take.write(tmp_path / "kept.take")
    # And again from what was taken up in the middle.
    assert np.array_equal(heard_again(_kept_of(take)), heard[19 * RATE_HZ :])


def _kept_of(take: Take) -> Take:
    performance = take.performance()
    performance.render(take.end - performance.frame)
    return performance.keep(2.0)


def test_memory_for_keeping_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_BYTES", 20_000)
    history = History(48_000.0, 0, 0)
    second = 48_000
    for number in range(40):
        history.open(Opening(number * second * 5 // 64, number, 1, 1))
        for k in range(20):
            history.did(number * second * 5 + k, NoteOn(k, 0.5))
    opening, commands, _ = history.since(190 * second)
    assert opening.number in (37, 38)
    assert len(history._logs) <= 4
    assert len(commands) == 20 * (40 - opening.number)
    for k in range(60_000):
        history.did(200 * second + k, NoteOn(k % 128, (k % 1000 + 1) / 1000))
    assert sum(log.size for log in history._logs) < 20_000
    with pytest.raises(ValueError, match="so much was played"):
        history.since(200 * second)


KILLED = """
import sys
from pathlib import Path
import numpy as np
import resonance
from resonance.engine.commands import NoteOn, Set
from resonance.engine.performance import Performance
from resonance.engine.takes import Recorder
performance = Performance(resonance.load(sys.argv[1]), seed=3)
recorder = Recorder(Path(sys.argv[2]), performance)
k = 0
with open(sys.argv[3], "wb") as heard:
    while True:
        performance.do(NoteOn(40 + k % 40, 0.5))
        performance.do(Set("tension", (k % 10) / 10))
        heard.write(performance.render(4_801).tobytes())
        heard.flush()
        k += 1
        print(k, flush=True)
"""


def test_a_take_is_read_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "piece.toml").write_text(QUIET)
    paths = [tmp_path / name for name in ("piece.toml", "killed.take", "heard")]
    call = [sys.executable, "-c", KILLED, *map(str, paths)]
    playing = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    assert playing.stdout is not None
    for line in playing.stdout:
        if int(line) >= 25:
            break
    os.kill(playing.pid, signal.SIGKILL)
    playing.wait()
    take = read(paths[1])
    assert len(take.commands) >= 40
    heard = np.frombuffer(paths[2].read_bytes()[: take.end * 8], np.float32).reshape(-1, 2)
    assert np.array_equal(heard_again(take)[: len(heard)], heard)
    assert len(heard) > 100_000
    # A torn last line is let go; what is torn elsewhere is not.
    whole = paths[1].read_text().splitlines(keepends=True)
    paths[1].write_text("".join(whole[:20]) + whole[20][:15])
    assert len(read(paths[1]).commands) <= 19
    paths[1].write_text("".join(whole[:20]) + whole[20][:15] + "\n" + whole[21])
    with pytest.raises(TakeError, match=r"killed\.take:21: "):
        read(paths[1])


def test_what_is_done_after_the_end_is_in_no_take(tmp_path: Path) -> None:
    performance = Performance(score_of(QUIET), seed=3, duration_s=2.0)
    with Recorder(tmp_path / "a.take", performance):
        performance.do(Set("tension", 0.5), 1000)
        for _ in range(4):
            performance.render(RATE_HZ)
            performance.do(Set("tension", 0.9))
    take = read(tmp_path / "a.take")
    assert take.end == 2 * RATE_HZ
    assert [at for at, _ in take.commands] == [1000, RATE_HZ]
    assert list(performance.keep().commands) == list(take.commands)


def test_a_hand_that_comes_late_at_the_end_of_a_stretch_is_in_the_take(tmp_path: Path) -> None:
    performance = Performance(score_of(QUIET), seed=3)
    with Recorder(tmp_path / "a.take", performance):
        heard = [performance.render(RATE_HZ)]
        note = NoteOn(69, 0.8)
        assert performance.first_open(note) < RATE_HZ
        performance.do(note, performance.first_open(note))
        heard.append(performance.render(RATE_HZ))
    take = read(tmp_path / "a.take")
    assert [frame for frame, _ in take.digests] == [RATE_HZ, 2 * RATE_HZ]
    assert np.array_equal(heard_again(take), np.concatenate(heard))


def test_a_disk_that_fills_ends_the_take_and_not_the_piece(tmp_path: Path) -> None:
    performance = Performance(score_of(QUIET), seed=3)
    recorder = Recorder(tmp_path / "full.take", performance)
    recorder._file.close()
    recorder._file = open("/dev/full", "w")  # noqa: SIM115
    for k in range(100):
        performance.do(Set("tension", k / 100))
        performance.render(100)
        time.sleep(0.001)
    recorder.close()
    assert recorder.fault is not None
    assert "No space" in recorder.fault


def test_a_take_ends_before_it_is_too_long_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takes, "MOST_COMMANDS", 5)
    performance = Performance(score_of(QUIET), seed=3)
    recorder = Recorder(tmp_path / "long.take", performance)
    for k in range(10):
        performance.do(Set("tension", k / 100))
        performance.render(100)
    recorder.close()
    assert recorder.fault is not None
    assert "5 commands: the take ends here, the piece goes on" in recorder.fault
    assert len(read(tmp_path / "long.take").commands) == 5


def _spoiled(lines: list[dict], spoil: str) -> str:
    header = lines[0]
    match spoil:
        case "version":
            header["version"] = 2
        case "header":
            del header["resonance"]
        case "rate":
            header["rate"] = 1e300
        case "seed":
            header["seed"] = -1
        case "text":
            header["score"]["text"] = 7
        case "first":
            header["first"] = 1 << 60
        case "far":
            header["first"] = 1 << 52
        case "only":
            header["only"] = ["nobody"]
        case "scene":
            header["opening"]["scene"] = "nowhere"
        case "opening":
            header["opening"] = []
        case "carried":
            header["opening"]["carried"] = [{"do": "explode"}]
        case "backwards":
            lines[2]["at"] = lines[1]["at"] - 1
        case "month":
            lines[-1]["at"] = 1 << 50
        case "unknown":
            lines[1] = {"at": lines[1]["at"], "do": "explode"}
        case "negative":
            lines[1]["at"] = -1
        case "nan":
            return "\n".join(map(json.dumps, lines)).replace('"seed": 3', '"seed": NaN')
        case "deep":
            return json.dumps(header) + "\n" + "[" * 100_000 + "\n"
        case "digits":
            return json.dumps(header) + '\n{"at": ' + "9" * 10_000 + "}\n"
        case "wide":
            return json.dumps(header) + "\n" + "x" * 3_000_000 + "\n"
        case "empty":
            return ""
        case "list":
            return "[]\n"
    return "\n".join(map(json.dumps, lines)) + "\n"


SPOILS = (
    "version header rate seed text first far only scene opening carried backwards month unknown negative nan "
    "deep digits wide empty list"
)


@pytest.mark.parametrize("spoil", SPOILS.split())
def test_a_hostile_take_is_refused_in_one_line(
    spoil: str, taken: tuple[Path, int, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / "spoiled.take"
    path.write_text(_spoiled([json.loads(line) for line in taken[0].read_text().splitlines()], spoil))
    with pytest.raises(TakeError) as error:
        read(path)
    said = str(error.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    assert len(said) < 400


def test_what_its_score_cannot_do_is_refused(taken: tuple[Path, int, np.ndarray], tmp_path: Path) -> None:
    lines = [json.loads(line) for line in taken[0].read_text().splitlines()]
    path = tmp_path / "wrong.take"
    for command in (
        {"do": "set", "name": "drone.glow", "value": 7},
        {"do": "set", "name": "nobody.glow", "value": 0},
        {"do": "note_on", "note": 60, "velocity": 0.5, "sound": "nobody"},
        {"do": "launch", "scene": "nowhere"},
    ):
        path.write_text("\n".join(map(json.dumps, [lines[0], {"at": 40_000, **command}])) + "\n")
        with pytest.raises(TakeError, match="at frame 40000"):
            read(path).performance()
    lines[0]["score"]["text"] = "format = 1\n[[scene]]\nname = 'a'\nlength = 9\nsounds = { nobody = {} }"
    path.write_text(json.dumps(lines[0]) + "\n")
    with pytest.raises(ScoreError, match="nobody"):
        read(path)
    for name in (".", "nothing.take"):
        with pytest.raises((TakeError, OSError)):
            read(tmp_path / name)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TakeError):
        read(path)


def test_a_long_evening_is_kept_at_once() -> None:
    """Who keeps a take plays on: a hundred thousand commands are not unpacked before the next block."""
    performance = Performance(score_of(QUIET), seed=3)
    for k in range(100_000):
        performance.history.did(0, Set("tension", (k % 1000) / 1000))
    performance.render(4800)
    began = time.thread_time()
    take = performance.keep()
    kept_s = time.thread_time() - began
    count = len(take.commands)
    assert count == 100_000
    began = time.thread_time()
    assert sum(1 for _ in take.commands) == count
    assert kept_s < 0.05 * (time.thread_time() - began)
