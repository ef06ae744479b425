"""What nobody gave is never taken for given: from the command line, from a run's config.toml, on resuming, for every plugin."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from leser.config.build import backend_of, complete
from leser.config.given import without
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.engine.words import EngineWords
from leser.inspect.opening import configured
from leser.plugins import Registry, load_plugins
from leser.rules import build_book
from leser.store.folder import RunFolder
from leser.store.resume import known_to

PLUGIN = '''
"""An engine and a rule that look at what was given."""
from pydantic import BaseModel, model_validator
from leser.backend import Backend, BackendOptions
from leser.hooks import hookimpl

class Cache(BaseModel):
    size: int = 10
    kind: str = "lru"

class Looking(Backend):
    """Looks."""
    name = "looking"
    class Options(BackendOptions):
        index: str = "shop"
        depth: int = DEPTH
        fields: dict[str, float] = {"contents": 1.0}
        cache: Cache = Cache()
        seen: tuple[str, ...] = ()

        @model_validator(mode="after")
        def _look(self):
            if "depth" in self.model_fields_set and "index" not in self.model_fields_set:
                raise ValueError("depth needs an index")
            return self

    def search(self, queries, k, *, total=False): return []
    def fetch(self, ids, fields): return {}

@hookimpl
def leser_backends(): return [Looking]
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "looking.py").write_text(PLUGIN.replace("DEPTH", "5"))
    return Path("looking.py")


def given_to(config: RunConfig, registry: Registry) -> dict[str, object]:
    """What the backend sees as given, and all it has."""
    options = backend_of(config, registry).options
    inner = {
        f"{name}.{key}"
        for name, value in options
        if isinstance(value, BaseModel) and name in options.model_fields_set
        for key in value.model_fields_set
    }
    return {"given": options.model_fields_set | inner, **options.model_dump(mode="json")}


def resolved(plugin: Path, *assignments: str) -> tuple[RunConfig, Registry]:
    loaded = load_config(None, {"backend.name": "looking", "plugins": (plugin,)}, assignments)
    registry = load_plugins(loaded.plugins)
    return complete(loaded, registry), registry


def test_a_backend_sees_what_was_given_on_the_command_line(plugin: Path) -> None:
    assert given_to(*resolved(plugin))["given"] == set()
    seen = given_to(*resolved(plugin, "index=mine", "cache.size=3"))
    assert seen["given"] == {"index", "cache", "cache.size"}
    assert (seen["depth"], seen["cache"]) == (5, {"size": 3, "kind": "lru"})
    config, registry = resolved(plugin, "index=mine")
    assert given_to(complete(config, registry), registry)["given"] == {"index"}, "completed twice"
    assert config.backend.options["depth"] == 5, "what is printed has the defaults"


def test_a_run_keeps_what_was_given_apart(plugin: Path, tmp_path: Path) -> None:
    config, _ = resolved(plugin, "index=mine", "cache.size=3")
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    table = tomllib.loads(folder.config_path.read_text())["backend"]
    assert (table["index"], table["depth"], table["cache"]) == ("mine", 5, {"size": 3, "kind": "lru"})
    assert table["not_given"] == ["match", "depth", "fields", "cache.kind", "seen"]
    assert given_to(*configured(folder))["given"] == {"index", "cache", "cache.size"}
    more = given_to(*configured(folder, assignments=["fields.title=2", "cache.kind=none", "depth=5"]))
    assert more["given"] == {"index", "cache", "cache.size", "cache.kind", "fields", "depth"}
    assert (more["fields"], more["depth"]) == ({"title": 2.0}, 5)
    other, _ = configured(folder, {"backend.name": "memory"}, ["k1=1.2"])
    assert other.backend.given == {"k1": 1.2}


def test_another_default_of_a_newer_version_is_not_taken_up_by_a_run(plugin: Path, tmp_path: Path) -> None:
    config, _ = resolved(plugin, "index=mine")
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    plugin.write_text(PLUGIN.replace("DEPTH", "8"))
    later, registry = configured(folder)
    seen = given_to(later, registry)
    assert seen["depth"] == 5, "the run goes on with the value that it was made with"
    assert seen["given"] == {"index", "depth"}, "which this version has to be told"
    folder.create(later.resolved(), resume=True, known=known_to(registry))


def test_a_default_that_is_given_is_no_change_on_resuming(plugin: Path, tmp_path: Path) -> None:
    config, registry = resolved(plugin, "index=mine")
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    given, _ = resolved(plugin, "index=mine", "depth=5")
    folder.create(given.resolved(), resume=True, known=known_to(registry))


def test_rules_and_readers_are_made_of_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registry = load_plugins()
    loaded = load_config(None, {"backend.name": "memory"}, ["rules.count.most=3", "task.seed=4"])
    config = complete(loaded, registry)
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    for read in (config, configured(folder)[0]):
        assert read.rules.options["count"]["most"] == 3
        assert read.rules.options["count"].keys() > {"most"}, "the defaults are shown"
        assert read.rules.given == {"count": {"most": 3}}
        assert read.task.given == {"seed": 4}
        backend = backend_of(read, registry)
        book = build_book(
            read.rules.given, registry.all("rule"), EngineWords(backend), read.expansion, read.rules.locale
        )
        (count,) = (rule for rule in book.rules if rule.name == "count")
        assert count.options.model_fields_set == {"most"}


def test_a_rule_without_options_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = complete(load_config(None, {"backend.name": "memory"}, ["rules.contact={}"]), load_plugins())
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    read, _ = configured(folder)
    assert read.rules.given == {"contact": {}}
    assert read.resolved() == config.resolved()


def test_without_leaves_the_options_as_they_are() -> None:
    options = {"a": {"b": 1, "c": 2}, "d": 3}
    before = json.dumps(options)
    assert without(options, ("a.b", "d", "x.y")) == {"a": {"c": 2}}
    assert json.dumps(options) == before
