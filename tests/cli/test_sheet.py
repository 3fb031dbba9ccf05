"""The contact sheet: what is on the page is in the folder, and plays."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import soundfile
from PIL import Image

from resonance.cli import main

SCORE = """format = 1
title = "Small & <short>"
[[scene]]
name = "one"
length = 3
sounds = ["drone", "crystals"]
"""


class Page(HTMLParser):
    """What a page shows: its sources, its headings, its commands."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_sheet_shows_every_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small 5%.toml").write_text(SCORE)
    call = ["sheet", "small 5%.toml", "--seeds", "3..4", "-o", "sheet", "--lock", "drone=1"]
    Path("sheet").mkdir()
    Path("sheet/small 5%-4.png").write_text("mine")
    assert main(call) == 2
    assert "small 5%-4.png exists already" in capsys.readouterr().err
    Path("sheet/small 5%-4.png").unlink()
    assert main(call) == 0
    assert capsys.readouterr().out.strip() == "sheet/index.html"
    page = Page(Path("sheet/index.html").read_text())
    sources = [unquote(source) for source in page.sources]
    assert sources == [f"small 5%-{name}" for name in ("3.png", "3.ogg", "4.png", "4.ogg")]
    assert not any(character in source for source in page.sources for character in " #?")
    assert {path.name for path in Path("sheet").iterdir()} == {"index.html", *sources}
    assert "Small & <short>: seeds 3 to 4" in page.texts
    assert "resonance render 'small 5%.toml' --lock drone=1 --seed 4" in page.texts
    for seed in (3, 4):
        heard, rate_hz = soundfile.read(f"sheet/small 5%-{seed}.ogg")
        assert len(heard) / rate_hz == pytest.approx(60.0, abs=0.1)
        assert Image.open(f"sheet/small 5%-{seed}.png").size == (960, 600)
    assert main(call) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["sheet", "small 5%.toml", "--seeds", "3", "-o", "x"]) == 2
