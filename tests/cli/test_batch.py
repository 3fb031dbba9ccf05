"""Batches: what a page of jobs means, what is done again and what is not, and a worker that dies."""

import gc
import importlib.util
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from resonance.cli import main
from resonance.cli.batch import Manifest, cluster, spread
from resonance.cli.plan import plan

SCORE = """format = 1
[[scene]]
name = "one"
length = 3
sounds = ["drone", "crystals", "heartbeat"]
[[scene]]
name = "two"
length = 2
sounds = ["drone"]
"""
JOBS = """
[all]
score = "small.toml"
subtype = "PCM_16"

[[job]]
output = "out/night.wav"
seeds = "1..3"

[[job]]
seed = 9
lufs = -20
only = ["drone", "crystals"]
lock = { crystals = 4 }
hit = { two = "3.5" }
events = "out/nine.jsonl"
"""
HAS_DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask.distributed is not installed"
)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SCORE)
    (tmp_path / "jobs.toml").write_text(JOBS)
    return tmp_path


def test_a_page_of_jobs_is_read_as_calls(small: Path) -> None:
    planned = plan(Path("jobs.toml"), False)
    names = ["out/night-1.wav", "out/night-2.wav", "out/night-3.wav", "small-9.wav"]
    assert [each.path for each in planned] == [small / name for name in names]
    last = planned[-1].job()
    assert (last.seed, last.lufs, last.only, last.locks) == (9, -20.0, ["drone", "crystals"], {"crystals": 4})
    assert (last.hits, last.events, last.subtype) == ({"two": 3.5}, small / "out/nine.jsonl", "PCM_16")
    assert len({each.identity for each in planned}) == 4
    (small / "jobs.toml").write_text(JOBS.replace("-20", "-21"))
    changed = plan(Path("jobs.toml"), False)
    assert [a.identity == b.identity for a, b in zip(planned, changed, strict=True)] == [True] * 3 + [False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lufs", "luffs", "jobs.toml:12: job: no key 'luffs': did you mean 'lufs'?"),
        ("-20", '"loud"', "jobs.toml:12: job.lufs is 'loud'; it must be a number"),
        ("seed = 9", "seed = -9", "jobs.toml:11: job.seed: a seed is a whole number"),
        ("seed = 9", "loop = 'yes'", "jobs.toml:11: job.loop is 'yes'; it must be true or false"),
        ("seed = 9", "output = ''", "jobs.toml:11: job.output is ''; it must be a text"),
        ('"drone", "crystals"]', '"dron"]', "did you mean 'drone'?"),
        ("seed = 9", "output = 'a.xyz'", "no format is known by the ending"),
        ("small.toml", "--help", "no preset '--help'"),
        ("seed = 9", "seed = 3\noutput = 'out/night-3.wav'", "another job's"),
        ("seed = 9", "stems = 'out'\n[[job]]\noutput = 'out/drone.wav'", "out/drone.wav is another"),
        ('"out/nine.jsonl"', "'out/night-2.wav'", "out/night-2.wav is another job's"),
        ("small.toml", "none.toml", "none.toml"),
        ('two = "3.5"', 'two = "9"', "the nearest possible is --hit two=0:04"),
    ],
)
def test_mistakes_are_told_with_their_lines(
    small: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    Path("jobs.toml").write_text(JOBS.replace(old, new))
    assert main(["batch", "jobs.toml"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert all(line.startswith("error: jobs.toml:") for line in told.splitlines())


@HAS_DASK
def test_a_batch_is_a_rows_of_renders_and_a_second_run_does_what_is_missing(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "jobs.toml", "--workers", "2"]) == 0
    assert main(["render", "small.toml", "--seed", "2", "--subtype", "PCM_16", "-o", "alone.wav"]) == 0
    assert Path("out/night-2.wav").read_bytes() == Path("alone.wav").read_bytes()
    manifest = Path("jobs.manifest.jsonl")
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == [
        "out/night-1.wav", "out/night-2.wav", "out/night-3.wav", "small-9.wav",
    ]  # fmt: skip
    nine = next(line for line in lines if line["seed"] == 9)
    assert set(nine["sha256"]) == {"small-9.wav", "out/nine.jsonl"}
    assert nine["integrated_lufs"] == pytest.approx(-20.0, abs=0.1)
    assert not list(small.rglob("*.part"))

    Path("out/night-1.wav").unlink()
    kept = Path("out/night-3.wav").stat().st_mtime_ns
    with manifest.open("a") as file:
        file.write('{"path": "torn')
    capsys.readouterr()
    assert main(["batch", "jobs.toml"]) == 0
    assert "3 of 4 are there already" in capsys.readouterr().err
    assert Path("out/night-3.wav").stat().st_mtime_ns == kept
    again = Manifest(Path("jobs.toml"))
    assert all(again.has(each) for each in plan(Path("jobs.toml"), False))

    Path("out/night-1.wav").write_bytes(b"mine")
    assert main(["batch", "jobs.toml"]) == 2
    assert "none of this batch's" in capsys.readouterr().err
    assert Path("out/night-1.wav").read_bytes() == b"mine"


@HAS_DASK
def test_what_stands_beside_a_mix_is_asked_for_as_well_and_nobody_elses(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = '[[job]]\nscore = "small.toml"\noutput = "a.wav"\n'
    Path("jobs.toml").write_text(job)
    assert main(["batch", "jobs.toml"]) == 0
    Path("jobs.toml").write_text(job + 'events = "a.jsonl"\nstems = "stems"\nmidi-out = "a.mid"\n')
    Path("a.jsonl").write_text("mine")
    assert main(["batch", "jobs.toml"]) == 2
    assert "a.jsonl exists, and is none of this batch's" in capsys.readouterr().err
    assert Path("a.jsonl").read_text() == "mine"
    Path("a.jsonl").unlink()
    assert main(["batch", "jobs.toml"]) == 0
    names = {path.name for path in Path("stems").iterdir()}
    assert names == {f"{name}.wav" for name in ("drone", "crystals", "heartbeat", "space", "premaster")}
    assert Path("a.jsonl").stat().st_size > 0
    assert Path("a.mid").stat().st_size > 0
    capsys.readouterr()
    assert main(["batch", "jobs.toml"]) == 0
    assert "1 of 1 are there already" in capsys.readouterr().err


@HAS_DASK
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_worker_that_dies_loses_nothing(small: Path) -> None:
    Path("jobs.toml").write_text('[all]\nscore = "small.toml"\n[[job]]\noutput = "n.wav"\nseeds = "1..4"\n')
    Path("small.toml").write_text(SCORE.replace("length = 3", "length = 12"))
    planned = plan(Path("jobs.toml"), False)
    with cluster(None, 2) as client:
        workers = client.run(os.getpid)

        def kill_one_at_work() -> None:
            while not list(small.glob("n-*.wav.*.part")):
                time.sleep(0.01)
            os.kill(next(iter(workers.values())), signal.SIGKILL)

        killer = threading.Thread(target=kill_one_at_work, daemon=True)
        killer.start()
        made = {each.path.name: found for each, found in spread(planned, client)}
        killer.join(1.0)
        assert not killer.is_alive()
        assert set(client.run(os.getpid).values()) != set(workers.values())
    assert sorted(made) == ["n-1.wav", "n-2.wav", "n-3.wav", "n-4.wav"]
    assert main(["render", "small.toml", "--seed", "1", "-o", "alone.wav"]) == 0
    assert Path("n-1.wav").read_bytes() == Path("alone.wav").read_bytes()
    assert all(isinstance(found, dict) for found in made.values()), made
    assert not list(small.glob("*.part"))


@HAS_DASK
def test_a_scheduler_that_is_not_there_is_said(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resonance.cli.batch._ANSWERS_S", 0.2)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        assert main(["batch", "jobs.toml", "--scheduler", address]) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(told) == 1
        assert f"no scheduler answers at {address}" in told[0]
        # A client that never came to be is closed when it is collected, which waits for ever if that is while
        # another begins.
        gc.collect()


@HAS_DASK
def test_a_scheduler_of_its_own_is_waited_for_until_a_worker_joins(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import distributed

    with (
        distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None) as there,
        cluster(there.scheduler_address, 1) as client,
    ):
        assert "waiting for a `dask worker` to join" in capsys.readouterr().err
        there.scale(1)
        planned = plan(Path("jobs.toml"), False)[:1]
        ((each, made),) = spread(planned, client)
    assert not isinstance(made, Exception)
    assert each.path.exists()
