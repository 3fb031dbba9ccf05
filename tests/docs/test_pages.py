"""Pages say what the declarations say; every sound and scene has its own; no link or picture is missing."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import REPOSITORY, script

from resonance import sounds
from resonance.cli import main
from resonance.score import Timeline, load

DOCS = REPOSITORY / "docs"
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "renders" / "README.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
SCENE = re.compile(
    r"^## (\S+)\n\n\*(\d+):(\d\d) to (\d+):(\d\d)\*\n\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)


def anchors(page: Path) -> set[str]:
    """What a link into the page can name: its titles, as GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_pages_are_what_the_command_makes() -> None:
    made = script("docs/make.py").pages(load("dream"))
    stale = [str(path) for path, text in made.items() if (DOCS / path).read_text() != text]
    assert not stale, f"run python docs/make.py: {', '.join(stale)}"
    assert {path.name for path in (DOCS / "sounds").iterdir()} == {path.name for path in made} - {
        "effects.md",
        "controllers.md",
    }


@pytest.mark.parametrize("name", sounds.names())
def test_every_sound_has_a_page_that_tells_what_show_tells(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "sounds" / f"{name}.md").read_text()
    assert main(["show", name]) == 0
    shown = capsys.readouterr().out.splitlines()
    head = next(line for line in shown if line.startswith("key"))
    table = shown[shown.index(head) + 1 :]
    table = table[: table.index("")] if "" in table else table
    cells = [
        [cell.strip("` ") for cell in row.split("|")[1:-1]] for row in page.splitlines() if row[:3] == "| `"
    ]
    assert [" ".join(" ".join(row).replace("`", "").split()) for row in cells] == [
        " ".join(row.split()) for row in table
    ]
    words = " ".join(page.replace("*", "").split())
    assert all(
        " ".join(part.replace("*", "").split()) in words for part in sounds.sound(name).doc.split("\n\n")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for _, target in LINK.findall(text):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), f"{target}: there is no {there}"
        if anchor:
            assert anchor in anchors(there), f"{target}: no such title in {there.name}"


def test_captions_belong_to_sounds() -> None:
    assert script("docs/make.py").CAPTIONS.keys() <= set(sounds.names())


def test_pictures_are_small_and_wide_and_none_is_left_over() -> None:
    scenes = [scene.name for scene in load("dream").scenes]
    wanted = {
        "dream.webp",
        "night.webp",
        *(f"{name}.webp" for name in sounds.names()),
        *(f"scene_{name}.webp" for name in scenes),
    }
    pictures = {path.name: path for path in (DOCS / "pictures").iterdir()}
    assert pictures.keys() == wanted
    for name, path in pictures.items():
        with Image.open(path) as picture:
            assert picture.width >= 800
            # One shade all over would be no picture.
            assert np.asarray(picture.convert("L")).std() > 10.0, name
        assert path.stat().st_size < (200_000 if name == "dream.webp" else 65_000)
    assert sum(path.stat().st_size for path in pictures.values()) < 3_000_000


def test_the_dream_is_told_scene_by_scene() -> None:
    score = load("dream")
    told = [
        (name, 60 * int(begin_m) + int(begin_s), 60 * int(end_m) + int(end_s), text)
        for name, begin_m, begin_s, end_m, end_s, text in SCENE.findall((DOCS / "dream.md").read_text())
    ]
    assert [scene[:3] for scene in told] == [
        (scene.name, round(scene.start_s), round(scene.end_s)) for scene in Timeline(score).scenes
    ]
    before: set[str] = set()
    for scene, (name, _, _, text) in zip(score.scenes, told, strict=True):
        assert f"(pictures/scene_{name}.webp)" in text
        named = set(re.findall(r"\(sounds/(\w+)\.md\)", text))
        assert named <= scene.sounds.keys(), f"{name}: told, but not in its scene"
        # What only goes on, or fades out, may be passed over.
        assert scene.sounds.keys() - before <= named, f"{name}: in its scene, but not told"
        before = set(scene.sounds)
        assert "**Theme and ground.**" in text
        assert "**Listen for**" in text
