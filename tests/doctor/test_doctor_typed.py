"""leser doctor looks at typed constraints: what each mapped kind reaches on this index, and where none can be held to it."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from leser_elasticsearch import ElasticsearchBackend
from leser_pyserini import PyseriniBackend
from servers import Server

from leser.backend import Document
from leser.config.build import complete
from leser.config.load import load_config
from leser.doctor import Finding, examine, exit_code
from leser.plugins import load_plugins

SHELF = [
    Document("a", {"title": "red shoes", "price": "40", "size": "42", "shape": "size 42", "colour": "red"}),
    Document("b", {"title": "red boots", "price": "45", "size": "XL", "shape": "size XL", "colour": "dark blue"}),
    Document("c", {"title": "red lamp", "price": "on request", "shape": "round", "colour": "leather brown"}),
    Document("d", {"title": "red sofa", "text": "made comfortable of leather", "price": "900"}),
]
KINDS = {
    "price": {"field": "price", "unit": "USD"},
    "size": {"field": "size"},
    "length": {"field": "shape", "unit": "cm", "formats": ["size {}"]},
    "colour": {"field": "colour", "values": {"red": [], "dark blue": ["navy"]}},
    "material": {"field": "text"},
}
DEAF = '''
from dataclasses import replace
from leser_memory import MemoryBackend
from leser.hooks import hookimpl

class Deaf(MemoryBackend):
    """Hears of no excluded word."""
    name = "deaf"

    def search(self, queries, k, *, total=False):
        heard = [replace(query, terms=tuple(t for t in query.terms if not t.negate)) for query in queries]
        return super().search(heard, k, total=total)

@hookimpl
def leser_backends():
    return [Deaf]
'''


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    rows = [json.dumps({"_id": d.id, **d.fields}) + "\n" for d in SHELF]
    (tmp_path / "corpus.jsonl").write_text("".join(rows))
    return tmp_path


def platform(folder: Path, kinds: dict[str, dict[str, object]], **backend: str) -> Path:
    """A profile with these kinds mapped, on the memory engine unless another is named."""
    table = backend or {"name": "memory", "documents": str(folder)}
    lines = ['[platform]\nname = "shop"\n[backend]', *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    lines.append("[constraints]\nenabled = true")
    for kind, mapped in kinds.items():
        lines.append(f"[constraints.kinds.{kind}]")
        for key, value in mapped.items():
            said = json.dumps(value)
            if isinstance(value, dict):
                said = "{" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + "}"
            lines.append(f"{key} = {said}")
    path = folder / "shop.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def examined(profile: Path, plugins: tuple[Path, ...] = (), *assignments: str) -> dict[str, Finding]:
    registry = load_plugins(plugins)
    config = complete(load_config(None, {}, assignments, profile), registry)
    return {finding.topic: finding for finding in examine(config, registry, query="red")}


def test_each_kind_tells_what_it_reaches(shelf: Path) -> None:
    found = examined(platform(shelf, KINDS))
    assert exit_code(found.values()) == 0
    assert found["typed price"].state == "ok"
    assert found["typed price"].seen.startswith("3 of 4 documents found hold a number in 'price'; a query that asks")
    assert found["typed size"].seen.startswith("2 of 4 documents found hold a size, in numbers or letters, in 'size'")
    assert found["typed length"].seen.startswith("2 of 4 documents found hold a text written as 'size {}' in 'shape'")
    assert found["typed colour"].seen.startswith("2 of 4 documents found hold one of the 2 values in 'colour'")
    assert found["typed material"].seen == "'leather' excluded in 'text': the 1 document that holds it is gone"


def test_without_constraints_nothing_is_said(shelf: Path) -> None:
    found = examined(platform(shelf, KINDS), (), "constraints.enabled=false")
    assert not [topic for topic in found if topic.startswith(("typed", "constraints"))]


@pytest.mark.parametrize(
    ("kind", "mapped", "state", "seen", "advice"),
    [
        (
            "price",
            {"field": "cost"},
            "problem",
            "field 'cost': 21 of 21 searches failed",
            "No field 'cost' to filter by",
        ),
        (
            "price",
            {"field": "title"},
            "warning",
            "none of 4 documents found holds a number in 'title'",
            "finds nothing",
        ),
        ("weight", {"field": "shape", "unit": "kg", "formats": ["{} kg"]}, "warning", "one holds 'round'", "formats"),
        ("brand", {"field": "colour", "values": ["Acme"]}, "warning", "holds the value in 'colour'; one", "values"),
        ("material", {"field": "fabric"}, "problem", "field 'fabric'", "No field 'fabric' to search"),
        ("material", {"field": "price"}, "ok", "'request' excluded in 'price'", ""),
        ("material", {"field": "size"}, "note", "none of 4 documents found shows one", ""),
    ],
)
def test_a_kind_that_the_index_does_not_hold(
    shelf: Path, kind: str, mapped: dict[str, object], state: str, seen: str, advice: str
) -> None:
    found = examined(platform(shelf, {kind: mapped}), (), "search.backoff=0.01")[f"typed {kind}"]
    assert found.state == state
    assert seen in found.seen
    assert advice in found.advice
    assert bool(found.advice) == (state in ("warning", "problem"))


def test_formats_are_looked_for_one_by_one(tmp_path: Path) -> None:
    """One that is the start of another's text does not hide that one."""
    row = {"_id": "a", "title": "red shoes", "shape": "EU 42 wide"}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    found = examined(
        platform(tmp_path, {"length": {"field": "shape", "unit": "cm", "formats": ["EU {}", "EU {} wide"]}})
    )
    assert (
        found["typed length"].seen == "1 of 1 documents found hold a text written as 'EU {}' or 'EU {} wide' in 'shape'"
    )


def test_an_excluded_word_is_asked_for_as_it_is_written(tmp_path: Path) -> None:
    """An analysis that folds nothing finds no "weiss" where "weiß" stands."""
    row = {"_id": "a", "title": "red Schuhe", "colour": "Weiß"}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    profile = platform(tmp_path, {"colour": {"field": "colour"}})
    profile.write_text(profile.read_text().replace("[backend]", 'locale = "de-DE"\n[backend]\nanalysis = "standard"'))
    found = examined(profile)
    assert found["typed colour"].seen == "'weiß' excluded in 'colour': the 1 document that holds it is gone"
    assert exit_code(found.values()) == 0


def test_words_that_are_not_excluded_are_found(shelf: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "deaf.py"
    plugin.write_text(DEAF)
    profile = platform(shelf, {"material": {"field": "text"}}, name="deaf", documents=str(shelf))
    found = examined(profile, (plugin,))["typed material"]
    assert found.state == "problem"
    assert found.seen == "1 of 1 documents with 'leather' in 'text' are found though it is excluded"


def test_an_engine_that_cannot_filter_is_named(shelf: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "deaf.py"
    plugin.write_text(DEAF.replace('name = "deaf"', 'name = "deaf"\n    capabilities = frozenset({"term_weights"})'))
    found = examined(platform(shelf, KINDS, name="deaf", documents=str(shelf)), (plugin,))
    assert found["constraints"].state == "problem"
    assert "lacks the capability 'filters'" in found["constraints"].seen


def test_lucene(shelf: Path) -> None:
    PyseriniBackend(PyseriniBackend.Options(index=shelf / "index")).index(SHELF)
    in_memory = examined(platform(shelf, KINDS))
    found = examined(platform(shelf, KINDS, name="pyserini", index=str(shelf / "index")))
    assert {t: f for t, f in found.items() if t.startswith("typed")} == {
        topic: finding for topic, finding in in_memory.items() if topic.startswith("typed")
    }


def test_elasticsearch(elasticsearch_8: Server, shelf: Path) -> None:
    options = {"name": "elasticsearch", "url": elasticsearch_8.url, "index": f"typed-{uuid4().hex}"}
    made = ElasticsearchBackend.Options(
        url=(options["url"],), index=options["index"], fields={"title": 1.0}, analysis="standard"
    )
    backend = ElasticsearchBackend(made)
    backend.index(SHELF)
    backend.close()
    found = examined(platform(shelf, KINDS, **options, fields="title"))
    in_memory = examined(platform(shelf, KINDS))
    assert {t: f for t, f in found.items() if t.startswith("typed")} == {
        topic: finding for topic, finding in in_memory.items() if topic.startswith("typed")
    }
    # several sizes of one shoe come back as one text
    for id, sizes in {"a": ("42", "43"), "b": ("XL", "3XL")}.items():
        change = {"doc": {"shape": [f"size {size}" for size in sizes]}}
        elasticsearch_8.request("POST", f"/{options['index']}/_update/{id}?refresh=true", change)
    found = examined(platform(shelf, KINDS, **options, fields="title"))
    assert found["typed length"].seen == in_memory["typed length"].seen
    assert found["typed length"].state == "ok"
    wrong = examined(platform(shelf, {"price": {"field": "cost"}}, **options, fields="title"))["typed price"]
    assert (wrong.state, "No field 'cost' to filter by" in wrong.advice) == ("problem", True)
