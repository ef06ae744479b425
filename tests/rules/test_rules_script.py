"""Which characters an expansion may hold, script by script: letters, marks, joiners, and what stays hidden."""

import pytest
from leser_memory import MemoryBackend

from leser.backend import Document
from leser.engine.words import EngineWords
from leser.expansion import Expansion, ExpansionOptions, Parsed, parse
from leser.plugins import Registry, load_plugins
from leser.rules import build_book

WRITTEN = {
    "ja-JP": ("ソファー", "コーヒー・テーブル", "佐々木", "Tシャツ", "か゚", "椅子、机"),
    "zh-CN": ("沙发", "「沙发」", "USB 数据线"), "zh_TW": ("沙發",), "zh": ("二〇",),
    "ko-KR": ("소파", "ㄱ자 책상", "소파・침대"),
    "fa-IR": ("می‌خواهم", "کتاب‌ها", "جست‌و‌جو", "سوء‌استفاده", "iPhone‌ها", "۱۰‌تایی", "10‌تایی", "مُ‌ها"),
    "ar": ("كـنبة", "مُدَرِّس", "كنبة؟", "٥٠"), "ur-PK": ("صوفہ",), "ckb": ("ئه‌مه",), "he": ("סַפָּה",),
    "hi-IN": ("क्‍ष", "क्‌ष", "र्‍य", "सोफ़ा", "घ\u095cी", "१२"), "mr": ("दऱ्‍या",),
    "bn": ("র‍্যাম", "হ\u09df", "সোফা"), "kn": ("ಫೋನ್‌", "ರ‍್ಯಾಮ್"), "ml": ("അവന്‍",), "ta": ("க்‌ஷ",), "si": ("ශ්‍රී",),
    "th": ("น้ำ", "เสื้อ", "โซฟา"), "lo": ("ນ້ຳ",), "hy": ("և",), "ka": ("დივანი",), "am": ("ሶፋ",),
    "el": ("καναπές",), "ru": ("диван", "ё"), "sr-Latn-RS": ("kauč",), "uk": ("п'ять",), "kk": ("үстел",), "vi": ("ghế",),
    "en": ("café", "l·l"), "xx": ("sofa",),
}  # fmt: skip
REFUSED = {
    "ja-JP": ("ｿﾌｧ", "ソ\u200dファ", "a\u3099", "диван", "ソファ\u2060ー"),
    "zh-CN": ("\uf900", "沙\u200c发", "ソ"), "ko-KR": ("소\u200c파", "\u3164소파", "\u1160소", "\u1112\u1161\u11ab"),
    "fa-IR": ("so\u200cfa", "میز\u200c", "\u200cمیز", "م\u200c\u200cیز", "م\u200dیز", "میز\u061c", "\u202bمیز", "沙发"),
    "hi-IN": ("सो\u200dफ़ा", "सो\u200cफ़ा", "सोफ़ा\u200d", "क्\u200d\u200dष", "so\u200dfa", "so\u093efa", "a\u0964\u200d", "\u0941"),
    "th": ("โซ\u200bฟา", "ṇ\u0303"), "sr-Latn-RS": ("диван",), "ru": ("дива\u0301н", "д\u200cом"), "el": ("κα\u0301",),
    "en": ("so\u0301fa", "b\u0300an", "диван", "👨\u200d👩\u200d👧", "ﬁne", "\u212bng", "sofa\u00ad", "so\u034ffa", "ソー"),
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


def refusal(registry: Registry, locale: str, text: str, **options: object) -> str | None:
    backend = MemoryBackend.of([Document("1", {"title": "lamp"})])
    broken = build_book(
        {"script": options}, registry.all("rule"), EngineWords(backend), ExpansionOptions(), locale
    ).check("lamp", [Expansion(text)])
    return None if broken is None else f"{broken.code}: {broken.reason}"


@pytest.mark.parametrize("locale", WRITTEN)
def test_what_a_locale_writes_may_stand(registry: Registry, locale: str) -> None:
    for text in WRITTEN[locale]:
        assert refusal(registry, locale, text) is None, ascii(text)
        assert parse(text, ExpansionOptions()) == Parsed((Expansion(text),)), ascii(text)


@pytest.mark.parametrize("locale", REFUSED)
def test_other_scripts_and_hidden_characters_may_not(registry: Registry, locale: str) -> None:
    for text in REFUSED[locale]:
        assert (refusal(registry, locale, text) or "").startswith("script: an expansion holds"), ascii(text)


def test_the_first_strange_character_is_named(registry: Registry) -> None:
    assert refusal(registry, "fa", "میز\u200c") == "script: an expansion holds the character ZERO WIDTH NON-JOINER"
    assert refusal(registry, "ja", "椅子диван") == "script: an expansion holds the character CYRILLIC SMALL LETTER DE"


def test_scripts_and_letters_that_are_given_replace_the_locales(registry: Registry) -> None:
    assert refusal(registry, "en", "ソファー", scripts=["Katakana"]) is None
    assert "LATIN" in (refusal(registry, "en", "sofa", scripts=["Katakana"]) or "")
    assert refusal(registry, "fa", "کتاب‌ها", letters="کتابه") is None
    assert "ARABIC LETTER MEEM" in (refusal(registry, "fa", "میز", letters="کتابه") or "")


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("ja", "Latin and Han and Hiragana and Katakana"),
        ("hi_IN", "Latin and Devanagari"),
        ("de-AT", "Latin"),
        ("sr", "Latin and Cyrillic"),
        ("bn", "Latin and Bangla"),
    ],
)
def test_the_prompt_names_the_scripts(registry: Registry, locale: str, names: str) -> None:
    backend = MemoryBackend.of([Document("1", {"title": "lamp"})])
    said = build_book(
        {"script": {}}, registry.all("rule"), EngineWords(backend), ExpansionOptions(), locale
    ).sentences()
    assert said[0] == f"Use only letters of {names} script, digits and plain punctuation."


@pytest.mark.parametrize("text", ["👨‍👩‍👧 shirt", "👩🏽‍⚕️ apron", "🏳️‍🌈 flag"])
def test_emoji_keep_their_joiners(text: str) -> None:
    assert parse(text, ExpansionOptions()) == Parsed((Expansion(text),))


@pytest.mark.parametrize(
    "text",
    ["so\u200cfa", "so\u200dfa", "sofa\u200d", "\u200csofa", "میز\u200c", "م\u200c\u200cیز", "सो\u200dफ़ा", "👨\u200d shirt",
     "a\u061cb", "a\u2066b", "a\u2069", "\ufeffsofa", "so\u2060fa", "so\U000e0041fa", "\u202esofa", "so\u200efa"],
)  # fmt: skip
def test_hidden_characters_elsewhere_are_not_read(text: str) -> None:
    read = parse(f"lamp; {text}", ExpansionOptions())
    assert not isinstance(read, Parsed)
    assert read.reason == "control or invisible characters"


def test_a_list_finds_a_word_with_joiners_and_without(registry: Registry) -> None:
    backend = MemoryBackend.of([Document("1", {"title": "lamp"})])
    book = build_book(
        {"banned": {"words": ["کتاب‌ها"]}}, registry.all("rule"), EngineWords(backend), ExpansionOptions(), "fa"
    )
    for text in ("کتاب‌ها", "کتابها"):
        assert book.check("lamp", [Expansion(text)]) is not None
    assert book.check("lamp", [Expansion("کتاب")]) is None
