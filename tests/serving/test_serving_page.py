"""The playground in Chromium: what it shows and why, decisions, the keyboard, colours, small screens, hostile texts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium, contrasts, focused
from playwright.sync_api import Browser, Page, expect
from served import Served, entry, serving, write_store

from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry

EVIL = "<img src=x onerror=\"document.title='owned'\">"
TITLE = "LESER: expansions of a query"
QUERY = "sectional loveseat"
WHY = {
    "State": "live: it passed every guard, without a person",
    "Proposed by": "verified search",
    "Judge": "nDCG@10 +0.082",
    "Overlap guard": "80 % of the original's top 10 stay",
    "Judgments guard": "nDCG(holes=skip)@10 +0.031 on judgments that took no part in the choice",
    "Rules": "kept, those of default@a1b2c3d4e5f6",
    "Typed": "311 times",
    "Since": "2026-11-27 10:00:00 UTC",
}
BY_BASELINE = StoredEntry(
    "stool", (Expansion("seats", 0.5),), state=EntryState.LIVE, policy="rm3@1", judge="none: live", by="rm3"
)
KNOWN = StoredEntry(
    QUERY, (Expansion("sofas", 0.5), Expansion(EVIL, 0.25)), "", EntryState.LIVE, "search", "default@a1b2c3d4e5f6", "5e6f",
    "nDCG@10", "7081", scores={"gain": 0.0823, "overlap@10": 0.8, "nDCG(holes=skip)@10 confirmed": 0.031, "count": 311.0},
    time="2026-11-27T10:00:00+00:00",
)  # fmt: skip
LEFT_ALONE = StoredEntry("lamp", (), "", EntryState.LIVE, "search", judge="encoder@10", reason="overlap")
ANSWERED = StoredEntry("armchair", (Expansion("sofas", 0.5),), state=EntryState.LIVE, policy="run", judge="none: live")
WAITING = entry("sectional seat", "sofas", state=EntryState.PROPOSED)
PROPOSED = [entry(f"tv {number}", "television", state=EntryState.PROPOSED) for number in range(3)]

BY = {"rm3": "rm3", "search": "verified search", "shop@1a2b": "the policy shop@1a2b", "shop@1a2b+rm3": "shop@1a2b+rm3"}
"""Who proposes, as entries and as the page name it."""
PROPOSERS = [
    StoredEntry(f"from {by}", (Expansion("sofas", 0.5),), state=EntryState.LIVE, policy="shop@1a2b+rm3@3c4d", by=by)
    for by in BY
]


@pytest.fixture(scope="module")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    store = write_store(
        folder / "head.db",
        KNOWN,
        LEFT_ALONE,
        ANSWERED,
        BY_BASELINE,
        WAITING,
        entry(EVIL, "safe"),
        *PROPOSED,
        *PROPOSERS,
    )
    with serving(folder, store, "--policy", str(made)) as running:
        end = time.monotonic() + 240
        while running.client.get("/v1/search", params={"q": QUERY}).status_code != 200:  # the engine is loaded
            assert time.monotonic() < end, running.log.read_text()[-2000:]
            time.sleep(0.2)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The playground, freshly opened; nothing that it logs is an error of its script."""
    with browser.new_context() as context:
        context.set_default_timeout(60_000)
        opened = context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.goto(str(served.client.base_url))
        yield opened
        assert faults == []


def look(page: Page, query: str) -> None:
    """Type a query and wait until its answer is there."""
    page.fill("#q", query)
    with page.expect_response(re.compile("/v1/search")):
        page.press("#q", "Enter")


def why(page: Page) -> dict[str, str]:
    return dict(zip(page.locator("#why dt").all_inner_texts(), page.locator("#why dd").all_inner_texts(), strict=True))


def test_it_says_who_proposed_the_expansions(page: Page) -> None:
    shown = {}
    for by in BY:
        look(page, f"from {by}")
        expect(page.locator("#said")).to_contain_text(f"“from {by}”")
        shown[by] = why(page)["Proposed by"]
    assert shown == BY


def test_a_query_shows_its_expansions_both_lists_and_why(page: Page, served: Served) -> None:
    look(page, QUERY)
    expect(page.locator("#lists")).to_be_visible()
    assert page.locator("#said").inner_text() == f"“{QUERY}”: from store"
    assert why(page) == WHY
    found = served.client.get("/v1/search", params={"q": QUERY, "both": "true"}).json()
    with_sofa = [hit for hit in found["hits"] if "sofa" in hit["title"].lower()]
    assert 0 < len(with_sofa) < 10
    items = page.locator("#expansions li").all_inner_texts()
    assert items == [f"sofas ^0.5 in {len(with_sofa)} of 10 titles", f"{EVIL} ^0.25 in 0 of 10 titles"]
    for name, hits, gone in (("before", found["original"], True), ("after", found["hits"], False)):
        rows = page.locator(f"#{name} li").all()
        assert len(rows) == len(hits)
        for row, hit in zip(rows, hits, strict=True):
            other, sign = hit["other_rank"], row.locator("span").last.inner_text()
            up = 0 if other is None else (hit["rank"] - other if gone else other - hit["rank"])
            wanted = (
                ("gone" if gone else "new") if other is None else f"▲ {up}" if up > 0 else f"▼ {-up}" if up else "="
            )
            assert sign == wanted
            assert row.locator(".title").inner_text().startswith(hit["title"])
    assert {text.lower() for text in page.locator("#after mark.added").all_inner_texts()} == {"sofa"}
    assert page.locator("#after small").all_inner_texts() == ["matches sofas"] * len(with_sofa)
    assert page.locator("#before small").count() == 0


def test_a_query_that_is_left_alone_says_which_guard_did_it(page: Page) -> None:
    look(page, "lamp")
    assert why(page)["Searched as typed"] == "the original's top hits would have gone"
    assert page.locator("#expansions li").all_inner_texts() == ["none"]
    look(page, "never seen before")
    assert page.locator("#answer").is_visible()


def test_what_is_not_served_shows_what_it_would_do(page: Page, served: Served) -> None:
    look(page, WAITING.query)
    expect(page.locator("#lists")).to_be_visible()
    assert page.locator("#with").inner_text() == "With these expansions, which are not served"
    shown = page.locator("#after .title").all_inner_texts()
    asked = {"q": WAITING.query, "both": "true"}
    now, preview = (
        served.client.get("/v1/search", params={**asked, **more}).json() for more in ({}, {"preview": "true"})
    )
    assert now["expansions"] == []
    assert [hit["id"] for hit in now["hits"]] == [hit["id"] for hit in now["original"]]
    assert [hit["id"] for hit in preview["hits"]] != [hit["id"] for hit in now["hits"]]
    assert [text.partition("\n")[0] for text in shown] == [hit["title"] for hit in preview["hits"]]
    look(page, QUERY)
    expect(page.locator("#with")).to_have_text("With expansions")


def test_an_answer_of_the_live_policy_is_not_said_to_have_passed_the_guards(page: Page) -> None:
    look(page, ANSWERED.query)
    assert why(page)["State"].startswith("live: the policy’s answer when the query was new")
    assert "Judge" not in why(page)
    look(page, BY_BASELINE.query)
    assert why(page)["State"].startswith("live: the answer of rm3 when the query was new")
    assert why(page)["Proposed by"] == "rm3"


def state_of(served: Served, query: str) -> object:
    return served.expand(query)["state"]


def test_approve_and_withdraw_by_click(page: Page, served: Served) -> None:
    look(page, "tv 0")
    assert why(page)["State"].startswith("proposed: nothing proved it")
    assert page.locator("#expansions li").all_inner_texts() == ["television ^0.5"]
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#said")).to_have_text(re.compile("^Approved. “tv 0”: from store"))
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-pressed", "true")
    assert state_of(served, "tv 0") == "approved"
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#said")).to_have_text(re.compile("^Withdrawn. “tv 0”: searched as typed"))
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-pressed", "false")
    assert state_of(served, "tv 0") == "withdrawn"


def test_everything_by_keyboard_alone(page: Page, served: Served) -> None:
    expect(page.locator("#q")).to_be_focused()  # a browser sees to autofocus with its first frame
    page.keyboard.type("tv 1")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_visible()
    seen = []
    for _ in range(5):
        page.keyboard.press("Tab")
        seen.append(focused(page))
    assert [name for name, _ in seen] == ["platform", "key", "Look up", "approved", "withdrawn"]
    assert {outline for _, outline in seen} == {"solid 3px"}
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text(re.compile("^Approved"))
    assert state_of(served, "tv 1") == "approved"
    assert focused(page) == ("approved", "solid 3px")  # whoever decides stays where they are
    page.keyboard.press("w")
    expect(page.locator("#said")).to_have_text(re.compile("^Withdrawn"))
    assert state_of(served, "tv 1") == "withdrawn"
    page.keyboard.press("/")
    page.keyboard.type("tv 2 aw")  # letters in a field are letters
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text(re.compile("tv 2 aw"))
    assert state_of(served, "tv 2") == "proposed"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_read_in_light_and_in_dark(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    look(page, QUERY)
    expect(page.locator("#lists")).to_be_visible()
    least, lightness = contrasts(page)
    assert {
        "LABEL.",
        "INPUT.",
        "BUTTON.",
        "MARK.added",
        "SPAN.up",
        "SPAN.down",
        "SMALL.",
        "DT.",
        "border",
    } <= least.keys()
    assert min(least.values()) >= 4.5, least
    assert lightness > 0.85 if scheme == "light" else lightness < 0.02


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_no_width_needs_sideways_scrolling(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for query in (QUERY, EVIL, "w" * 900):
        look(page, query)
        expect(page.locator("#answer")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    sides = page.locator("#lists section").evaluate_all("nodes => nodes.map(n => n.getBoundingClientRect().left)")
    assert (sides[0] == sides[1]) is (width < 700)  # one below the other, or side by side


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (EVIL, f"“{EVIL}”: from store"),
        ("</script><script>document.title='owned'</script>", "“</script><script>document.title='owned'</script>”: "),
        ("\x07\x1b[31mred", r"“\u{7}\u{1b}[31mred”: searched as typed"),
        ("\u202eevil \u200b", r"“\u{202e}evil \u{200b}”: "),
        ("{{7*7}} ${7*7}", "“{{7*7}} ${7*7}”: "),
    ],
)
def test_what_comes_from_outside_is_text(page: Page, query: str, said: str) -> None:
    page.fill("#q", query)
    page.press("#q", "Enter")
    expect(page.locator("#said")).to_contain_text(said)
    expect(page.locator("#answer")).to_be_visible()
    assert page.title() == TITLE
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_a_query_of_a_megabyte_is_not_sent(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.fill("#q", "<b>bold</b>" * 100_000)
    page.press("#q", "Enter")
    expect(page.locator("#said")).to_contain_text(
        "The query has 1100000 characters, at most 1000 can be looked up: <b>bold"
    )
    assert len(page.locator("#said").inner_text()) < 400
    assert page.locator("b").count() == 0
    assert sent == []


def test_a_service_that_is_gone_is_said_and_nothing_old_is_shown(page: Page) -> None:
    look(page, QUERY)
    page.context.set_offline(True)
    page.fill("#q", "tv 2")
    page.press("#q", "Enter")
    expect(page.locator("#said.trouble")).not_to_be_empty()
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#lists")).to_be_hidden()


def test_the_page_loads_nothing_from_elsewhere(page: Page, served: Served) -> None:
    answer = served.client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"https?://|\bsrc=|@import", answer.text)
    assert "innerHTML" not in answer.text
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    look(page, QUERY)
    assert len(asked) == 4
    assert all(url.startswith(str(served.client.base_url)) for url in asked), json.dumps(asked)
