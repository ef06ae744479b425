"""The system's Chromium under playwright, and what a person sees of a page: colours, contrast, focus."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=60_000)  # milliseconds: a busy machine is no fault of the page
CONTRASTS = """() => {
  const rgb = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const ratio = (one, two) => { const [a, b] = [light(one), light(two)].sort((x, y) => y - x); return (a + .05) / (b + .05); };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    if (!node.checkVisibility() || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const field = node.tagName === "INPUT", name = `${node.tagName}.${node.className}`;
    if (own || field) found.push([name, ratio(rgb(style.color), ground(node)), style.opacity]);
    if (field) found.push(["border", ratio(rgb(style.borderTopColor), ground(node.parentElement)) * 1.5, "1"]);
  }
  return { found, page: light(ground(document.body)) };
}"""
"""WCAG 2.2's contrast of each text with what is below it.

A field's border, which needs 3 and not 4.5, counts one and a half times.
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless; nothing is downloaded."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def contrasts(page: Page) -> tuple[dict[str, float], float]:
    """The least contrast of each kind of visible text, and how light the page is (0 black, 1 white)."""
    said: dict[str, Any] = page.evaluate(CONTRASTS)
    least: dict[str, float] = {}
    for name, ratio, opacity in said["found"]:
        assert opacity == "1", f"{name} is see-through"
        least[name] = min(ratio, least.get(name, 21.0))
    return least, said["page"]


def focused(page: Page) -> tuple[str, str]:
    """The text or the id of what has the focus, and the outline that shows it."""
    return tuple(
        page.evaluate(
            """() => {
              const node = document.activeElement, style = getComputedStyle(node);
              return [node.id || node.dataset.state || node.textContent, `${style.outlineStyle} ${style.outlineWidth}`];
            }"""
        )
    )
