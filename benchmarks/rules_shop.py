"""A platform profile opened for its audit: its serving filter over its own documents, and what its catalogue says itself."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.config.build import complete
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.engine.words import EngineWords
from leser.plugins import load_plugins
from leser.rules import RuleBook, ServingFilter, build_book
from leser.session import Session, open_session

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from naive_checker import Forbidden, naive_violations
from naive_profile import forbidden_of

CLAUSES = re.compile(r"[,;:|()>]|\.(?!\d)")
EDGES = ".,;:!?'\"-"


@dataclass(frozen=True)
class Shop:
    """A profile, opened: `serving` is its filter, `forbidden` the same lists as the naive checker reads them.

    `clean` are its train queries, each with one to three words in a row of a document that is relevant to it, in which the
    naive checker finds nothing; `unclean` counts those in which it finds something, by rule.
    """

    path: Path
    config: RunConfig
    session: Session
    serving: ServingFilter
    forbidden: Forbidden
    clean: tuple[tuple[str, str], ...]
    unclean: Counter[str]

    @property
    def name(self) -> str:
        """The platform's name."""
        return str(self.config.platform.name)

    def alone(self, rule: str) -> RuleBook:
        """The book of one of its rules by itself (repetition beside it, which always holds)."""
        tables = {name: given for name, given in self.config.rules.given.items() if name == rule}
        config, words = self.config, EngineWords(self.session.client.backend)
        return build_book(tables, self.session.registry.all("rule"), words, config.expansion, config.rules.locale)


def open_shop(path: Path, clean: int, seed: int, **flags: Any) -> Shop:
    """The shop of a profile, as `leser run --platform FILE --backend memory` opens it, its own analysis and fields kept."""
    wanted = load_config(platform=path)
    registry = load_plugins(wanted.plugins)
    own = complete(wanted, registry).backend.options
    known = registry.get("backend", "memory").Options.model_fields
    kept = {f"backend.{key}": value for key, value in own.items() if key in known and value is not None}
    config = complete(load_config(platform=path, flags={"backend.name": "memory", **kept, **flags}), registry)
    session = open_session(config, registry)
    forbidden = forbidden_of(path)
    found, unclean = own_words(session, forbidden, clean, random.Random(seed))
    return Shop(path, config, session, ServingFilter(session.environment.rules), forbidden, tuple(found), unclean)


def own_words(
    session: Session, forbidden: Forbidden, count: int, draw: random.Random
) -> tuple[list[tuple[str, str]], Counter[str]]:
    """`count` clean pairs of query and phrase, no pair twice, and how many others were no clean ones, by rule."""
    task = session.task
    assert task.documents is not None
    texts = {
        d.id: " . ".join(d.fields[name] for name in ("title", "text") if name in d.fields) for d in task.documents()
    }
    queries = [q for q in task.train.queries if any(g > 0 and d in texts for d, g in task.train.qrels[q.id].items())]
    found: dict[tuple[str, str], None] = {}
    unclean: Counter[str] = Counter()
    for _ in range(20 * count):
        query = draw.choice(queries)
        relevant = sorted(d for d, grade in task.train.qrels[query.id].items() if grade > 0 and d in texts)
        phrases = list(phrases_of(texts[draw.choice(relevant)]))
        text = draw.choice(phrases) if phrases else ""
        wrong = [w for w in naive_violations(query.text, [text], forbidden) if not w.startswith("repetition")]
        unclean.update({w.partition(":")[0] for w in wrong})
        if text and not wrong:
            found[query.text, text] = None
        if len(found) == count:
            return list(found), unclean
    raise SystemExit(f"Of {task.name}'s own words only {len(found)} pairs are clean, {count} are needed.")


def phrases_of(text: str) -> Iterator[str]:
    """One to three words in a row of a text, none across a clause's end."""
    for clause in CLAUSES.split(text):
        words = [word for part in clause.split() if (word := part.strip(EDGES))]
        for start in range(len(words)):
            for length in (1, 2, 3):
                if start + length <= len(words):
                    yield " ".join(words[start : start + length]).lower()
