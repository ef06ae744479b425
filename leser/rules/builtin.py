"""The rules that come with LESER."""

from __future__ import annotations

from leser.hooks import hookimpl
from leser.rule import Rule
from leser.rules.contact import Contact
from leser.rules.listed import Banned, Competitor, Restricted
from leser.rules.protected import Protected
from leser.rules.repetition import Repetition
from leser.rules.shape import Count, Script
from leser.rules.vocabulary import Vocabulary


@hookimpl
def leser_rules() -> list[type[Rule]]:
    """The rules that come with LESER."""

    return [Banned, Competitor, Contact, Count, Protected, Repetition, Restricted, Script, Vocabulary]
