"""Plugins: found one by one, checked, named with their distribution when something is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from leser.backend import Document, ExpandedQuery, Term
from leser.errors import LeserError
from leser.expansion import Code
from leser.plugin_offers import Offer
from leser.plugins import load_plugins
from leser.reward import Outcome, parse_spec
from leser.task import Query

Install = Callable[..., Path]

BACKEND = '''
from leser.backend import Backend
from leser.hooks import hookimpl

class Engine(Backend):
    """An engine for tests.

    More words.
    """
    name = "{name}"
    api = {api}
    def search(self, queries, k, *, total=False): return []
    def fetch(self, ids, fields): return {{}}

@hookimpl
def leser_backends():
    return [Engine]
'''


def backend(name: str, api: int = 1) -> str:
    return BACKEND.format(name=name, api=api)


def offer_of(name: str) -> Offer:
    return next(offer for offer in load_plugins().offers() if offer.name == name)


def test_an_installed_plugin_is_found_with_its_distribution_and_first_line(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("acme-engine"))
    offer = offer_of("acme-engine")
    assert (offer.kind, offer.description, offer.state) == ("backend", "An engine for tests.", "ok")
    assert (offer.origin.distribution, offer.origin.version) == ("acme-search", "2.3")
    assert load_plugins().get("backend", "acme-engine").name == "acme-engine"


def test_built_in_plugins_come_through_the_same_door() -> None:
    registry = load_plugins()
    assert {"beir", "trec", "quepid"} <= set(registry.all("reader"))
    assert all(offer.origin.distribution == "leser" for offer in registry.offers() if offer.name == "beir")


def test_a_plugin_that_cannot_be_imported_is_reported_and_costs_only_itself(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-search", "2.3", "acme", "import no_such_module_anywhere")
    install("zeta-search", "1.0", "zeta", backend("zeta-engine"))
    with caplog.at_level(logging.WARNING, logger="leser.plugins"):
        registry = load_plugins()
    assert "acme" in caplog.text
    assert "no_such_module_anywhere" in caplog.text
    assert registry.get("backend", "zeta-engine")
    assert "no_such_module_anywhere" in offer_of("acme").state


def test_asking_for_what_a_broken_plugin_may_offer_names_the_plugin_and_the_cause(install: Install) -> None:
    install("acme-search", "2.3", "acme", "import no_such_module_anywhere")
    with pytest.raises(
        LeserError, match=r"(?s)Unknown backend 'acme'.*acme \(acme-search 2.3\).*no_such_module_anywhere"
    ):
        load_plugins().get("backend", "acme")


def test_an_unknown_name_is_answered_with_the_nearest(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("elasticsearch-of-acme"))
    with pytest.raises(
        LeserError, match=r"Unknown backend 'elasticsearch-of-acm'\. Did you mean 'elasticsearch-of-acme'\?"
    ):
        load_plugins().get("backend", "elasticsearch-of-acm")


def test_two_plugins_of_one_name_are_an_error_that_names_both_distributions(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("engine"))
    install("zeta-search", "1.0", "zeta", backend("engine"))
    registry = load_plugins()
    words = r"'engine' is offered twice: acme-search 2.3 and zeta-search 1.0.*LESER_BLOCK_PLUGINS"
    with pytest.raises(LeserError, match=words):
        registry.get("backend", "engine")
    with pytest.raises(LeserError, match=words):
        registry.all("backend")
    assert offer_of("engine").broken


def test_two_distributions_may_use_one_entry_point_name(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("one"), entry="engine")
    install("zeta-search", "1.0", "zeta", backend("two"), entry="engine")
    assert {"one", "two"} <= set(load_plugins().all("backend"))


@pytest.mark.parametrize("blocked", ["acme", "acme-search", "other, acme"])
def test_a_blocked_plugin_is_not_even_imported(install: Install, monkeypatch: pytest.MonkeyPatch, blocked: str) -> None:
    install("acme-search", "2.3", "acme", "raise RuntimeError('imported')")
    monkeypatch.setenv("LESER_BLOCK_PLUGINS", blocked)
    assert offer_of("acme").state == "blocked by LESER_BLOCK_PLUGINS"


def test_blocking_one_of_two_resolves_a_clash(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("engine"))
    install("zeta-search", "1.0", "zeta", backend("engine"))
    assert load_plugins(block=["zeta"]).get("backend", "engine").__module__ == "acme"


def test_a_misspelled_hook_is_an_error_with_the_right_name(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("engine").replace("leser_backends", "leser_backend"))
    with pytest.raises(LeserError, match=r"'leser_backend'. Did you mean 'leser_backends'.*acme-search 2.3"):
        load_plugins()


def test_a_newer_api_is_broken_not_loaded(install: Install) -> None:
    install("acme-search", "2.3", "acme", backend("engine", api=2))
    with pytest.raises(LeserError, match=r"'engine' of acme-search 2.3 cannot be used: .*API 2.*upgrade leser"):
        load_plugins().get("backend", "engine")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("    name = ", "    title = "), "no class attribute `name`"),
        (("return [Engine]", "return [1]"), "list of classes"),
        (("return [Engine]", "return 1"), "must return a list of classes, it returned 1"),
        (("def search", "def find"), "lacks search"),
        (("def leser_backends()", "def leser_backends(wrong)"), "wrong"),
        (("@hookimpl", ""), "no hook"),
    ],
)
def test_a_malformed_plugin_says_what_is_wrong(install: Install, change: tuple[str, str], reason: str) -> None:
    install("acme-search", "2.3", "acme", backend("engine").replace(*change))
    states = [offer.state for offer in load_plugins().offers() if offer.origin.distribution == "acme-search"]
    assert len(states) == 1
    assert states[0].startswith("broken: ")
    assert reason in states[0]


def test_a_file_is_a_plugin_too(tmp_path: Path) -> None:
    file = tmp_path / "my_engine.py"
    file.write_text(backend("my-engine"))
    registry = load_plugins([file, file])
    assert registry.get("backend", "my-engine")
    assert next(o for o in registry.offers() if o.name == "my-engine").origin.distribution == "--plugin my_engine.py"


@pytest.mark.parametrize(
    ("code", "reason"), [("1 / 0", "ZeroDivisionError"), ("x = 1", "defines no hooks|has no hook")]
)
def test_a_file_that_does_not_work_is_an_error_since_it_was_asked_for(tmp_path: Path, code: str, reason: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    with pytest.raises(LeserError, match=reason):
        load_plugins([file])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"No plugin at .*nowhere\.py"):
        load_plugins([tmp_path / "nowhere.py"])


def test_observers_are_called_and_listed(install: Install) -> None:
    install(
        "acme-watch",
        "1.0",
        "watch",
        '"""Watches."""\nfrom leser.hooks import hookimpl\nseen = []\n'
        "@hookimpl\ndef leser_step(metrics):\n    seen.append(metrics)\n",
    )
    registry = load_plugins()
    registry.hook.leser_step(metrics={"step": 1})
    import watch  # type: ignore[import-not-found]

    assert watch.seen == [{"step": 1}]
    offer = offer_of("watch")
    assert (offer.kind, offer.description, offer.state) == ("observer", "Watches.", "ok")


def test_the_pages_plugins_work_as_they_stand(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "one-file-plugins.md").read_text(encoding="utf-8")
    files = []
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        name = re.match(r'"""(\w+\.py):', block)
        assert name, "a block starts with its file's name"
        files.append(tmp_path / name[1])
        files[-1].write_text(block)
    registry = load_plugins(files)
    engine = registry.get("backend", "my-engine")
    backend = engine(engine.Options())
    shelf = {"1": "a red sofa", "2": "a floor lamp", "3": "a blue sofa"}
    backend.load([Document(id, {"title": title}) for id, title in shelf.items()])
    plain, expanded = backend.search(
        [ExpandedQuery("1", "red couch"), ExpandedQuery("1", "red couch", (Term("sofa", 2.0),))], 10
    )
    assert plain.ids == ("1",)
    assert expanded.ids == ("1", "3")
    reward = registry.get("reward", "in_stock")(parse_spec("in_stock@2"))
    documents = {"1": Document("1", {"stock": "4"}), "3": Document("3", {"stock": "0"})}
    outcome = Outcome(Query("1", "red couch"), 0, "sofa", (), plain, expanded, {}, Code.OK, documents=documents)
    assert reward.score([outcome]) == [0.5]
