"""Platform profiles: what extends what, where paths start, every mistake named, what is said of them, and runs with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from platforms import BASE, SHOP, Write, resolved

from leser.config.build import complete
from leser.config.load import load_config
from leser.config.profile import read_profile
from leser.errors import LeserError
from leser.plugins import load_plugins


def test_tables_merge_key_by_key_and_a_value_replaces(write: Write) -> None:
    config = resolved(write(base=BASE, shop=SHOP + '[rewards]\nweights = ["R@100"]\n'))
    assert (config.seed, config.platform.name, config.platform.locale) == (7, "shop", "de-DE")
    assert (config.backend.options["k1"], config.backend.options["analysis"]) == (1.2, "german")
    assert config.rewards.weights == ("R@100",)
    assert list(config.rules.options) == ["contact", "count", "banned"]
    assert (config.rules.options["count"]["most"], config.rules.options["count"]["most_words"]) == (4, 2)
    assert config.rules.locale == "de-DE", "the platform's locale is its rules'"
    assert config.task.options == {"seed": 3, "language": "en", "unjudged": "none", "world": "plain"}


def test_another_engine_leaves_the_old_ones_options_behind(write: Write) -> None:
    shop = write(base=BASE, shop='extends = "base.toml"\n[platform]\nname = "a"\n[backend]\nname = "pyserini"\nb = 0.1')
    options = resolved(shop).backend.options
    assert (options["k1"], options["b"]) == (0.9, 0.1)


def test_a_rule_of_an_extended_file_is_taken_out(write: Write) -> None:
    shop = write(base=BASE, shop=SHOP + "[rules]\ncontact = false\n")
    assert list(resolved(shop).rules.options) == ["count", "banned"]
    wrong = write(shop=SHOP + "[rules]\ncontakt = false\n")
    with pytest.raises(
        LeserError, match=r"shop\.toml, rules\.contakt: there is no such rule below .*: contact, count, b"
    ):
        read_profile(wrong)


def test_each_file_says_its_paths_from_where_it_lies(write: Write) -> None:
    common = """
    plugins = ["more/mine.py"]
    [task]
    name = "../data/shop"
    [backend]
    name = "pyserini"
    index = "../indexes/shop"
    [policy]
    name = "../policies/base"
    [rules.banned]
    files = ["banned.txt", "/lists/banned.txt"]
    [rules.restricted.files]
    wine = "lists/wine.txt"
    [training.monitor]
    engine = "memory"
    engine_options = { documents = "docs", analysis = "german" }
    """
    shop = write(
        lists__common=common,
        markets__de__shop='extends = "../../lists/common.toml"\nout = "run"\n[platform]\nname = "de"\n[rules.banned]\n'
        'pattern_files = ["patterns.txt"]\nwords = ["docs"]\n',
    )
    Path("data/shop/qrels").mkdir(parents=True)
    Path("data/shop/queries.jsonl").touch()
    loaded = load_config(platform=shop)
    assert (loaded.plugins, loaded.out) == ((Path("lists/more/mine.py"),), Path("markets/de/run"))
    config = complete(loaded, load_plugins())
    assert config.task.name == "data/shop"
    assert config.policy.name == "./policies/base", "with one slash and no dot it would be a hub id"
    assert config.backend.options["index"] == "indexes/shop"
    banned = config.rules.options["banned"]
    assert banned["files"] == ["lists/banned.txt", "/lists/banned.txt"]
    assert banned["pattern_files"] == ["markets/de/patterns.txt"]
    assert banned["words"] == ["docs"], "a word is no path, whatever lies there"
    assert config.rules.options["restricted"]["files"] == {"wine": "lists/lists/wine.txt"}
    assert config.training.monitor.engine_options == {"documents": "lists/docs", "analysis": "german"}
    assert complete(load_config(platform=shop.resolve()), load_plugins()).backend.options["index"] == str(
        Path("indexes/shop").resolve()
    )


def test_names_that_are_no_paths_stay_names(write: Write) -> None:
    shop = write(shop='[platform]\nname = "a"\n[task]\nname = "demo"\n[policy]\nname = "owner/model"\n')
    config = load_config(platform=shop)
    assert (config.task.name, config.policy.name) == ("demo", "owner/model")


def test_a_configuration_overrides_the_profile_and_flags_override_both(write: Write) -> None:
    write(base=BASE, shop=SHOP, run="[backend]\nb = 0.2\nk1 = 1.5\n[training]\nsteps = 9\n[rules.count]\nmost = 2\n")
    config = resolved(Path("shop.toml"), Path("run.toml"), "k1=1.7", training__steps="11")
    assert {key: config.backend.options[key] for key in ("analysis", "b", "k1")} == {
        "analysis": "german", "b": 0.2, "k1": 1.7,
    }  # fmt: skip
    assert config.training.steps == 11
    assert (config.rules.options["count"]["most"], config.rules.options["count"]["most_words"]) == (2, 2)
    assert "analysis" not in resolved(Path("shop.toml"), None, backend__name="pyserini").backend.options
    assert config.out == Path("runs/shop-demo-memory-tiny-seed7")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"shop": "seed = = 1"}, r"profile shop\.toml is not valid TOML: .*line 1"),
        (
            {"shop": 'extends = "bse.toml"', "base": ""},
            r"shop\.toml, extends: there is no file bse\.toml\. Did you mean 'b",
        ),
        ({"shop": "extends = 3"}, r"shop\.toml, extends: expected the name of a file, .* found 3"),
        ({"shop": 'extends = "shop.toml"'}, r"in a circle: shop\.toml -> shop\.toml\. Take one `extends` out"),
        (
            {"shop": 'extends = "x/b.toml"', "x__b": 'extends = "c.toml"', "x__c": 'extends = "../x/b.toml"'},
            r"in a circle: b\.toml -> c\.toml -> b\.toml",
        ),
        ({"base": BASE}, r"No platform profile at shop\.toml: there is no such file"),
    ],
)
def test_files_that_cannot_be_read_are_named(write: Write, files: dict[str, str], message: str) -> None:
    write(**files)
    with pytest.raises(LeserError, match=message):
        load_config(platform=Path("shop.toml"))


def test_only_profiles_extend(write: Write) -> None:
    with pytest.raises(LeserError, match=r"run\.toml extends another file, .* Give it with --platform"):
        load_config(write(base=BASE, run='extends = "base.toml"'))
