"""German words to index terms as Lucene's GermanAnalyzer makes them: stop words, umlauts folded, light stems.

The folding follows the heuristics of the German2 stemmer (snowballstem.org) that Lucene's GermanNormalizationFilter uses:
ae, oe and ue are ways to write umlauts, except a ue after a vowel or q ("Mauer", "Quelle"). The stems are those of Savoy,
"Light Stemming Approaches for the French, Portuguese, German and Hungarian Languages" (SAC 2006), as in GermanLightStemFilter.
Compounds stay whole ("Ledersofa" has nothing in common with "Sofa"): taking them apart needs a list of words and errs
("Staub-ecken", "Staube-cken"), while an expansion can say the other form where it helps.
"""

from __future__ import annotations

import re

# Snowball's list, Lucene's default
_STOP_WORDS = """
    aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes anderm andern
    anderr anders auch auf aus bei bin bis bist da damit dann der den des dem die das daß derselbe derselben
    denselben desselben demselben dieselbe dieselben dasselbe dazu dein deine deinem deinen deiner deines denn
    derer dessen dich dir du dies diese diesem diesen dieser dieses doch dort durch ein eine einem einen einer
    eines einig einige einigem einigen einiger einiges einmal er ihn ihm es etwas euer eure eurem euren eurer
    eures für gegen gewesen hab habe haben hat hatte hatten hier hin hinter ich mich mir ihr ihre ihrem ihren
    ihrer ihres euch im in indem ins ist jede jedem jeden jeder jedes jene jenem jenen jener jenes jetzt kann kein
    keine keinem keinen keiner keines können könnte machen man manche manchem manchen mancher manches mein meine
    meinem meinen meiner meines mit muss musste nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem
    seinen seiner seines selbst sich sie ihnen sind so solche solchem solchen solcher solches soll sollte sondern
    sonst über um und uns unse unsem unsen unser unses unter viel vom von vor während war waren warst was weg
    weil weiter welche welchem welchen welcher welches wenn werde werden wie wieder will wir wird wirst wo wollen
    wollte würde würden zu zum zur zwar zwischen
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WRITTEN_OUT = re.compile(r"([ao])e|(?<![aeiouqyäöü])(u)e")
_UMLAUTS = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "ß": "ss"})
_ACCENTS = str.maketrans("àáâòóôïìíîùúû", "aaaoooiiiiuuu")
_BEFORE_S_OR_ST = frozenset("bdfghklmnt")


def german_term(word: str) -> str | None:
    """The index term of a lower-cased word; None for a stop word, and for it alone."""
    return None if word in STOP_WORDS else light_stem(fold(word))


def fold(word: str) -> str:
    """A lower-cased word with umlauts as plain vowels, however they are written, and ß as ss."""
    if word.isascii() and "e" not in word:
        return word
    return _WRITTEN_OUT.sub(r"\1\2", word).translate(_UMLAUTS)


def light_stem(word: str) -> str:
    """A folded word without the endings of plural, case and comparison; Lucene measures words in UTF-16 units."""
    if not word.isascii():
        word = word.translate(_ACCENTS)
    outside = 0 if word.isascii() else sum(letter > "\uffff" for letter in word)
    word = _without_case(word, len(word) + outside)
    return _without_comparison(word, len(word) + outside)


def _without_case(word: str, units: int) -> str:
    if units > 5 and word.endswith("ern"):
        return word[:-3]
    if units > 4 and word.endswith(("em", "en", "er", "es")):
        return word[:-2]
    if units > 3 and word.endswith("e"):
        return word[:-1]
    if units > 3 and word.endswith("s") and word[-2:-1] in _BEFORE_S_OR_ST:
        return word[:-1]
    return word


def _without_comparison(word: str, units: int) -> str:
    if units > 5 and word.endswith("est"):
        return word[:-3]
    if units > 4 and word.endswith(("er", "en")):
        return word[:-2]
    if units > 4 and word.endswith("st") and word[-3:-2] in _BEFORE_S_OR_ST:
        return word[:-2]
    return word
