"""MIDI ports are looked for without a word."""

import pytest

from resonance.inputs import ports


def test_nothing_is_said_where_no_jack_server_runs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """rtmidi2 would complain on standard error itself, twice a second for as long as one performs."""
    pytest.importorskip("rtmidi2")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "resonance-nobody")
    ports.names()
    inputs = ports.Inputs([], lambda *_: None, lambda _: None, lambda _: None, lambda _: None)
    inputs.look()
    ports.Output("anything", lambda _: None).send(b"\xf8")
    assert capfd.readouterr() == ("", "")
