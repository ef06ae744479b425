"""A platform profile that is not valid: every mistake is named with its file and key, and check says what holds."""

from __future__ import annotations

import pytest
from loaded_modules import HEAVY, modules_after
from platforms import BASE, SHIPPED, SHOP, Write, leser, said

from leser.config.check import check_profile
from leser.config.load import load_config
from leser.config.sentences import sentences_of
from leser.errors import LeserError


def test_all_mistakes_in_leser_tables_are_named_with_file_and_key(write: Write) -> None:
    shop = write(
        base=BASE + "[training]\nstep = 3\nmonitor = { stopp = true }\n[promt]\n"
        "[constraints.kinds.price]\nfield = 'price'\nunits = 'USD'\n",
        shop='extends = "base.toml"\nresume = true\ngrpo = 3\n[platform]\nlocale = "?"\n[training]\nsteps = -1\n',
    )
    for refuse in (load_config, lambda platform: check_profile(platform)):
        with pytest.raises(LeserError) as caught:
            refuse(platform=shop)
        first, *lines = str(caught.value).splitlines()
        assert first == "The platform profile shop.toml cannot be used:"
        found = {line.partition(": ")[0].strip(): line.partition(": ")[2] for line in lines}
        assert set(found) == {
            "base.toml, training.step", "base.toml, training.monitor.stopp", "base.toml, promt",
            "base.toml, constraints.kinds.price.units", "shop.toml, resume",
            "shop.toml, grpo", "shop.toml, platform.locale", "shop.toml, platform.name", "shop.toml, training.steps",
        }  # fmt: skip
        assert "Did you mean 'steps'?" in found["base.toml, training.step"]
        assert "Did you mean 'stop'?" in found["base.toml, training.monitor.stopp"]
        assert "Did you mean 'prompt'?" in found["base.toml, promt"]
        assert found["shop.toml, training.steps"] == "Input should be greater than or equal to 0 (got -1)."


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("[backend]\nname = 'memry'", "backend.name", "Did you mean 'memory'?"),
        ("[backend]\nkk = 1", "backend.kk", "Unknown option 'kk' of [backend]"),
        ("[backend]\nk1 = 'many'", "backend.k1", "got 'many'"),
        ("[task]\nsead = 1", "task.sead", "Did you mean 'seed'?"),
        ("[task]\nname = './none'", "task.name", "there is no such file or folder"),
        ("[rules.bannd]", "rules.bannd", "Did you mean 'banned'?"),
        ("[rules.banned]", "rules.banned", "has no words or patterns"),
        ("[rules.banned]\nfiles = ['none.txt']", "rules.banned", "cannot be read"),
        ("[rules.banned]\npatterns = ['(']", "rules.banned", "Cannot read the pattern '('"),
        ("[rules.count]\nmost = 0", "rules.count.most", "greater than or equal to 1"),
        ("[rules.count]\nmots = 1", "rules.count.mots", "Did you mean 'most'?"),
        ("[rewards]\nweights = ['nDGC@10']", "rewards.weights", "Did you mean 'nDCG'?"),
        ("[rewards]\ngated_reward = 9.0", "rewards.weights", "gated_reward 9 is above"),
        ("[evaluation]\nmeasures = ['nDCG@10', 'nope']", "evaluation.measures", "nope"),
        ("[evaluation]\nbaselines = ['rm4']", "evaluation.baselines", "Did you mean 'rm3'?"),
        ("[training.monitor]\nengine = 'lucene'", "training.monitor.engine", "Unknown backend 'lucene'"),
        ("[policy]\nname = './none'", "policy.name", "nor a folder"),
    ],
)
def test_mistakes_in_plugins_tables_are_named_with_file_and_key(write: Write, text: str, where: str, why: str) -> None:
    shop = write(base=text, shop='extends = "base.toml"\n[platform]\nname = "a"\n[backend]\nname = "memory"\n')
    if where.startswith("backend"):
        shop = write(
            base="", shop=f'[platform]\nname = "a"\n{text}\n' + ("" if "name" in text else 'name = "memory"\n')
        )
    file = "shop.toml" if where.startswith("backend") else "base.toml"
    done = leser("platforms", "check", shop)
    assert isinstance(done.exception, LeserError)
    assert f"  {file}, {where}: " in str(done.exception)
    assert why in str(done.exception)


def test_a_profile_is_said_in_words(write: Write) -> None:
    shop = write(
        base=BASE,
        shop=SHOP
        + """patterns = ['\\bxx+']
sentence = "No weapons."
[prompt]
platform = '''Write for
a German shop.\x1b'''
[rewards]
weights = ["nDCG@10=0.5", "kept(min=0.5)@10"]
[constraints]
enabled = true
[constraints.kinds]
price = { field = "price", unit = "EUR" }
colour = { field = "colour", values = ["rot"] }
""".replace("\x1b", ""),
    )
    assert (
        said("platforms", "check", shop)
        == """\
Platform shop, locale de-DE
  shop.toml, which extends base.toml

Queries: demo, seed 3
Engine: memory, k1 1.2, analysis german
Policy: tiny, made from the task's own text; it reads no instructions, so none of the prompt's words
Expansions: at most 5, one search, weighted clauses (mode boost)
Prompt: begins "Write for a German shop."
Typed in a query and respected by every search (read as de-DE)
  price: limits in EUR; field price
  colour: 1 value, wanted or not wanted; field colour

Rewarded
  0.5 x nDCG@10: Discounted gain of the top k relative to the best order the judgments allow (nDCG@k).
  Each expansion costs 0.005.
Required: a completion that fails earns -0.125
  kept(min=0.5)@10: Share of the original's relevant top k that is still in the expanded top k (kept@k, kept(min=0.8)@10).

Forbidden: earns -0.125 in training, and is never served
  contact: No expansion holds a mail address, a phone number or a web address.
    The prompt says: "Write no mail addresses, phone numbers or web addresses."
  count: No more and no longer expansions than these limits say.
    most: 4
    most_words: 2
    The prompt says: "Write at most 4 terms, at most 2 words in each."
  banned: No expansion holds a banned word, phrase or pattern.
    words: gun
    patterns: \\bxx+
    The prompt says: "No weapons."
  repetition: No expansion repeats the query or another one, after the engine's analysis. Always active.
    The prompt says nothing of it.

ok
"""
    )


def test_one_bad_profile_does_not_keep_the_others_from_being_checked(write: Write) -> None:
    write(good='[platform]\nname = "good"\n[backend]\nname = "memory"\n', bad='[platform]\nname = "\\u001b[31mbad"\n')
    done = leser("platforms", "check", "bad.toml", "good.toml")
    assert isinstance(done.exception, LeserError)
    assert str(done.exception) == "1 of 2 profiles cannot be used; see the errors above."
    assert "The platform profile bad.toml cannot be used" in done.stderr
    assert "\x1b" not in done.output
    assert done.stdout.endswith("ok\n")
    assert isinstance(leser("platforms", "check", "bad.toml").exception, LeserError)


def test_a_check_contacts_and_loads_no_engine() -> None:
    assert not modules_after("platforms", "check", str(SHIPPED / "us.toml")) & {*HEAVY, "leser_memory.store"}


def test_long_lists_are_told_in_part(write: Write) -> None:
    shop = write(
        shop='[platform]\nname = "a"\n[backend]\nname = "solr"\nurl = "http://host:1/solr"\n[rules.banned]\n'
        f"words = {[f'word{n}' for n in range(9)]}\n[rules.restricted.categories]\nwine = ['red', 'white']\ntoys = ['ball']\n"
    )
    lines = sentences_of(check_profile(shop))
    assert "    words: word0, word1, word2, word3, word4, word5 and 3 more" in lines
    assert "    categories: wine = red, white; toys = ball" in lines


def test_a_password_in_an_address_is_never_said(write: Write) -> None:
    secret = "https://me:hunter2@host:9200"
    shop = write(shop=f'[platform]\nname = "a"\n[prompt]\nplatform = "See {secret}"\n')
    assert 'Prompt: begins "See https://***@host:9200"' in sentences_of(check_profile(shop))
    for backend in ("elasticsearch", "solr", "memory"):
        done = leser(
            "platforms", "check", write(shop=f'[platform]\nname = "a"\n[backend]\nname = "{backend}"\nurl = "{secret}"')
        )
        assert isinstance(done.exception, LeserError)
        assert "hunter2" not in f"{done.exception}{done.output}"
