"""Texts that backends are tried with: syntax of query languages, and the signs of everyday queries."""

from __future__ import annotations

import re

UNKNOWN = "zzqxjv"
"""A made-up word that no document should hold."""

HOSTILE: tuple[str, ...] = (
    '" OR 1:1 ({!func}  ${x} <script> AND *:* /**/ _query_:',
    '" OR 1=1',
    "*:*",
    "*",
    " * ",
    "\x00*\x1f",
    "sof*",
    "lam?",
    "/.*/",
    "[* TO *]",
    f"{UNKNOWN} || *:*",
    f"{UNKNOWN}) (*:*",
    f'" {UNKNOWN} || "" || *:*',
    f"{UNKNOWN}* ?* ~2 ^99",
    f"-{UNKNOWN}",
    f"NOT {UNKNOWN}",
    f"!{UNKNOWN}",
    f"{UNKNOWN}~2",
    "brand:Nordhem",
    "id:d01",
    '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /',
    "(((((((",
    '"unbalanced',
    "\\",
    "{!func}1",
    "{!parent which=*:*}",
    "_val_:1 _query_:1",
    '_query_:"*:*" _val_:1',
    "${jndi:ldap://x} #{1+1} {{7*7}} $query $expansions",
    "<script>alert(1)</script> <!--",
    "'; DROP INDEX docs; --",
    '{"match_all": {}}',
    '"}},{"match_all":{}},{"',
    '{}\n{"query": {"match_all": {}}}\n',
    "qqq^99999 qqq~9",
    "AND",
    "NOT",
    "NEAR",
    "\x00\x07\x1b[31m",
    "\u202egnirts \u200b\ufeff",
    "\ufffd",
    "\U0001f6cb\ufe0f\U0001f525\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "日本語 ไทย العربية",
    "%s%n %00 ../../etc",
    UNKNOWN * 400,
    "q" * 10_000,
    "qqq " * 2_500,
)
"""Texts that are syntax somewhere; as data they find what their few words find, and no more. The longest come last."""

SIGNED: tuple[str, ...] = (
    '17" {0} ({1})',
    "{0} AND {1}",
    "{0} OR {1}",
    "{0} NOT {1}",
    "{0} AND NOT {1}",
    "AND {0} {1} OR",
    '"{0} {1}"',
    '{0} "{1}',
    "-{0} {1}",
    "+{0} {1}",
    "!{0} {1}",
    "{0} -{1}",
    "({0} {1}",
    "{0}) {1}",
    "[{0} TO {1}]",
    "{{{0}}} {1}",
    "{0}* {1}?",
    "{0}~ {1}!",
    "text: {0} {1}",
    "{0}; {1}: 'x'",
    "#{0}, {1}.",
    "{0} & {1} | 5%",
    "{0} < {1} > 2",
    "/{0}/ {1}\\",
    "{0}\t{1}\n",
)
"""Everyday queries with signs at the ends of words: as data they find what their words find, {0} or {1}."""

INSIDE: tuple[str, ...] = ("{0}^9 {1}", "text:{0} {1}", "{0}~2 {1}", "id:{0}^99 {1}")
"""Signs inside a word: analyses may keep {0} and its sign as one word, but {1} is found, and nothing is weighed otherwise."""


def plain(text: str) -> str:
    """The same words without the signs and the capitals that make syntax of them."""
    return " ".join(re.sub(r"[^\w\s]", " ", text).lower().split())
