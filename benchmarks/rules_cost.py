"""What the rules cost, beside the search they guard: `python -m benchmarks.rules_cost [--json] [--evidence]`.

All built-in rules together, 10,000 banned words and phrases loaded, asked about one completion of five expansions that
breaks none of them (so every rule is asked to the end). In one run, in turns, median and least microseconds each (the
least is what a busy machine disturbs least):
  rules_new     a completion whose words were never seen: folded and analysed here and now
  rules_seen    the same completion again: folding and the engine's analysis come out of their memos
  search        one search of the backend with the query and these expansions, nothing cached
`rules_new_of_search` is the median of what the first costs beside the last, completion by completion.
Backends: memory, and pyserini where it is installed. `--evidence` writes docs/evidence/rules-cost.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.evidence import ROOT, commit, machine, write
from benchmarks.search_overhead import make_documents
from leser.backend import Backend, Document, ExpandedQuery, Term
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine.words import EngineWords
from leser.expansion import Expansion, ExpansionOptions
from leser.plugins import load_plugins
from leser.rules import RuleBook, build_book

K = 10
VOCABULARY = 8000
LETTERS = str.maketrans("0123456789", "bcdfghjklm")
"""The documents' words are numbered, which would make model numbers of them."""
_SYLLABLES = "ba cor din fel gor hum jip kel lom mar nov pel rud sin tov vex"
SYLLABLES = _SYLLABLES.split()


def tables(draw: random.Random, banned: int) -> dict[str, dict[str, Any]]:
    """Every rule that comes with LESER, with long lists; one banned entry in five is a phrase of two words."""

    def word() -> str:
        return "".join(draw.choices(SYLLABLES, k=draw.randint(3, 5)))

    entries = [word() if draw.random() < 0.8 else f"{word()} {word()}" for _ in range(banned)]
    return {
        "banned": {"words": entries, "patterns": [r"\bxx+\b", r"free\s+money", r"(a+)+$"]},
        "competitor": {"brands": [word() for _ in range(500)]},
        "protected": {"brands": [word() for _ in range(500)], "max_weight": 10.0},
        "restricted": {"categories": {f"category {n}": [word() for _ in range(100)] for n in range(10)}},
        "script": {},
        "count": {"most": 5, "most_words": 4},
        "vocabulary": {},
        "contact": {},
    }


def completions(draw: random.Random, count: int) -> list[tuple[str, tuple[Expansion, ...]]]:
    """Queries that pin something down, each with five expansions of two words that all are in the index."""
    out = []
    for number in range(count):
        words = draw.sample(range(20, VOCABULARY), 11)
        said = [f"w{a} w{b}".translate(LETTERS) for a, b in zip(words[1:6], words[6:11], strict=True)]
        out.append(
            (
                f"{f'w{words[0]}'.translate(LETTERS)} {64 + number} gb without leather",
                tuple(Expansion(text) for text in said),
            )
        )
    return out


def timed(ask: Callable[[], object]) -> float:
    """Microseconds of one call."""
    started = time.perf_counter()
    ask()
    return 1e6 * (time.perf_counter() - started)


@contextmanager
def opened(name: str, documents: list[Document]) -> Iterator[Backend]:
    """An engine in process that holds the documents."""
    if name == "memory":
        from leser_memory import MemoryBackend

        yield MemoryBackend.of(documents)
        return
    from leser_pyserini import PyseriniBackend

    with tempfile.TemporaryDirectory() as folder:
        backend = PyseriniBackend(PyseriniBackend.Options(index=Path(folder, "index"), threads=1))
        backend.index(documents)
        yield backend
        backend.close()


def measure(backend: Backend, book: RuleBook, asked: list[tuple[str, tuple[Expansion, ...]]]) -> dict[str, Any]:
    """Median and least microseconds of each way, one completion after the other."""
    took: dict[str, list[float]] = {"rules_new": [], "rules_seen": [], "search": []}
    for number, (query, expansions) in enumerate(asked):
        expanded = ExpandedQuery("q", query, tuple(Term(e.text, 0.5) for e in expansions))
        row = {
            "rules_new": timed(lambda query=query, given=expansions: book.check(query, given)),
            "rules_seen": timed(lambda query=query, given=expansions: book.check(query, given)),
            "search": timed(lambda expanded=expanded: backend.search([expanded], K)),
        }
        broken = book.check(query, expansions)
        if broken is not None:
            raise SystemExit(f"A completion that should pass is refused: {broken}")
        for name, value in row.items() if number >= len(asked) // 10 else ():  # the first tenth warms up
            took[name].append(value)
    beside = [new / search for new, search in zip(took["rules_new"], took["search"], strict=True)]
    return {
        "rules_new_of_search": round(statistics.median(beside), 3),
        "median_microseconds": {name: round(statistics.median(values), 1) for name, values in took.items()},
        "least_microseconds": {name: round(min(values), 1) for name, values in took.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of all rules on one completion, next to one search.")
    parser.add_argument("--backends", default="memory,pyserini")
    parser.add_argument("--banned", type=int, default=10_000)
    parser.add_argument("--completions", type=int, default=2000)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/rules-cost.json as well")
    chosen = parser.parse_args()
    result: dict[str, Any] = {"banned": chosen.banned, "completions": chosen.completions, "documents": chosen.documents}
    for name in chosen.backends.split(","):
        draw = random.Random(1)
        documents = make_documents(draw, chosen.documents, VOCABULARY, length=30)
        # every word stands somewhere, so that the vocabulary rule lets it pass
        documents += make_all_words(len(documents))
        documents = [Document(d.id, {k: v.translate(LETTERS) for k, v in d.fields.items()}) for d in documents]
        with opened(name, documents) as backend:
            started = time.perf_counter()
            book = build_book(
                tables(draw, chosen.banned), load_plugins().all("rule"), EngineWords(backend), ExpansionOptions()
            )
            compiled = time.perf_counter() - started
            cost = measure(backend, book, completions(draw, chosen.completions))
        result[name] = {**cost, "compiled_s": round(compiled, 2), "rules": list(book.codes)}
    if chosen.evidence:
        content = {"name": "rules-cost", "commit": commit(), "machine": machine(), **result}
        path = ROOT / "docs" / "evidence" / "rules-cost.json"
        write(path, content)
    print(json.dumps(result) if chosen.json else json.dumps(result, indent=1))


def make_all_words(first: int) -> list[Document]:
    """Documents that together hold each word of the vocabulary and those of the queries."""
    words = [f"w{number}" for number in range(VOCABULARY)]
    return [
        Document(str(first + start // 50), {"title": "all words", "text": " ".join(words[start : start + 50])})
        for start in range(0, VOCABULARY, 50)
    ]


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
