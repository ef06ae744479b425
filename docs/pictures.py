"""Pictures of a run's report for the README: `.venv/bin/python docs/pictures.py [docs/demo-report.html]`.

Writes docs/demo-report.png and docs/report-*.png. Run by hand after the demo's report was made anew; it needs Chromium (on the
path, or named by CHROMIUM) and Pillow, neither of which LESER does. Each picture is of one part of the page: the rest is
hidden by a style in a copy of it, and what is empty below is cut off.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

from leser.cli.console import replace_what_cannot_be_shown

DOCS = Path(__file__).resolve().parent
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
COLOURS = 96
TALL = 12_000
GAP = 24

QUERIES = "section:has(> .charts.two)"
CARDS = "h3:has(+ details.query), h3:has(+ p.note + details.query), p.note:has(+ details.query)"
CARDS += (
    ", details.query[open], details.query[open] + details.query, details.query[open] + details.query + details.query"
)
ALONE = "main {{ padding-top: 1rem }} main > :not({0}) {{ display: none }} {0} > :not({1}) {{ display: none }}"
CHARTS = ALONE.format(QUERIES, ".charts")
CHANGED = ALONE.format(QUERIES, CARDS) + f" {QUERIES} > h3 {{ margin-top: 1rem }}"
TRAINING = ALONE.format("section:has(> .charts:not(.two))", "*") + " section > h2 { margin-top: 0 }"


@dataclass(frozen=True)
class View:
    """A part of the page: the style that leaves it alone, and the window's width and height (cut to what is filled)."""

    style: str = ""
    width: int = 1280
    height: int = TALL


PHONE = {"width": 400, "height": 1150}
PICTURES: dict[str, tuple[View, ...]] = {
    "demo-report": (View(height=1260),),
    "report-charts": (View(CHARTS),),
    "report-queries": (View(CHANGED),),
    "report-training": (View(TRAINING),),
    "report-phone": (View(**PHONE), View(CHARTS, **PHONE), View(CHANGED, **PHONE), View(TRAINING, **PHONE)),
}
DARK_TOO = ("report-queries",)


def taken(page: str, view: View, dark: bool) -> Image.Image:
    """A view as Chromium draws it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        copy.write_text(page.replace("</style>", f"{view.style}\n</style>", 1), encoding="utf-8")
        command = [os.environ.get("CHROMIUM", "chromium"), *QUIET, *(DARK if dark else ())]
        command += [f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        command += [f"--window-size={view.width},{view.height}", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not shot.exists():
            raise SystemExit(f"Chromium took no picture:\n{done.stderr[-2000:]}")
        return filled(Image.open(shot).convert("RGB"))


def filled(picture: Image.Image) -> Image.Image:
    """The picture without what is empty below, but for a margin."""
    empty = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    box = ImageChops.difference(picture, empty).getbbox()
    if box is None:
        raise SystemExit("A part of the page that belongs in a picture is not there.")
    return picture.crop((0, 0, picture.width, min(picture.height, box[3] + GAP)))


def joined(views: list[Image.Image]) -> Image.Image:
    """Views side by side, on the colour of the first one's corner."""
    size = (sum(view.width for view in views) + GAP * (len(views) - 1), max(view.height for view in views))
    whole = Image.new("RGB", size, "#808080" if len(views) > 1 else "white")
    left = 0
    for view in views:
        whole.paste(view.getpixel((0, 0)), (left, 0, left + view.width, size[1]))
        whole.paste(view, (left, 0))
        left += view.width + GAP
    return whole


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description="Pictures of a run's report.")
    parser.add_argument("report", type=Path, nargs="?", default=DOCS / "demo-report.html")
    parser.add_argument("--out", type=Path, default=DOCS)
    given = parser.parse_args()
    page = given.report.read_text(encoding="utf-8")
    for name, views in PICTURES.items():
        for dark in (False, True) if name in DARK_TOO else (False,):
            path = given.out / f"{name}{'-dark' if dark else ''}.png"
            whole = joined([taken(page, view, dark) for view in views])
            whole.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f"{path} {whole.width} x {whole.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
