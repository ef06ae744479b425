"""One entry as a line of a rule file: querqy's common rules, or a search-time synonym.

What a form cannot say is refused with its reason, never written half. A word of a rule is data: characters that the form
reads as syntax are escaped where it has an escape, and refused where it has none.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from leser.backend import SynonymRule
from leser.characters import hidden_in
from leser.expansion_store import StoredEntry, query_key

_QUERQY_SYNTAX = re.compile(r"[\"#*$\\{}:]|=>|->")
_QUERQY_OPERATOR = re.compile(r"(?:^|\s)([+-])\S")
_ESCAPED = re.compile(r"[\\,#]|=(?=>)")


@dataclass(frozen=True, slots=True)
class NotExpressible:
    """Why an entry cannot be said in a form."""

    reason: str


def querqy_rule(entry: StoredEntry) -> str | NotExpressible:
    """A common rule for exactly this query: weighted synonyms, and an id by which it can be switched off.

    querqy adds a synonym to each word of the query that the rule is for, so each gets its share of the weight: where fields
    and words are added up (tie=1.0) an expansion then counts as much as it did for LESER. querqy has no escape for its own
    signs. Form: docs.querqy.org, common rules rewriter.
    """
    texts = (entry.query, *(expansion.text for expansion in entry.expansions))
    if wrong := _unreadable(*texts):
        return wrong
    for text in texts:
        if found := _QUERQY_SYNTAX.search(text):
            return NotExpressible(f"'{found[0]}' is syntax in a common rule, and cannot be escaped")
    if found := _QUERQY_OPERATOR.search(entry.query):
        return NotExpressible(
            f"querqy reads the '{found[1]}' before a word of a query as an operator: no rule would match"
        )
    key = query_key(entry.query)
    lines = [f'"{key}" =>']
    for expansion in entry.expansions:
        weight = expansion.weight / len(key.split())
        lines.append(f"  SYNONYM({_decimal(weight)}): {' '.join(expansion.text.split())}")
    return "\n".join([*lines, f'  @_id: "{rule_id(entry)}"'])


def synonym_rule(entry: StoredEntry) -> SynonymRule | NotExpressible:
    """`couch => couch, sofa`: the words on the left are replaced by all on the right, so they stand there too.

    Weights cannot be said. Form: Lucene's SolrSynonymParser, in which a backslash takes the meaning from the next character.
    """
    if wrong := _unreadable(entry.query, *(expansion.text for expansion in entry.expansions)):
        return wrong
    left = query_key(entry.query)
    right = (left, *(" ".join(expansion.text.split()) for expansion in entry.expansions))
    return SynonymRule(rule_id(entry), left, right, f"{_escaped(left)} => {', '.join(map(_escaped, right))}")


def rule_id(entry: StoredEntry) -> str:
    """16 hexadecimal digits that stay the same as long as platform and query do."""
    return hashlib.blake2b("\0".join(entry.key).encode(), digest_size=8).hexdigest()


def _decimal(weight: float) -> str:
    """A weight without an exponent, which a rule could not hold."""
    return f"{weight:.6f}".rstrip("0").rstrip(".") or "0"


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" + found[0], text)


def _unreadable(*texts: str) -> NotExpressible | None:
    for text in texts:
        if hidden_in(text) or "\n" in text or "\r" in text:
            return NotExpressible("it holds a line break, or control or invisible characters")
    return None
