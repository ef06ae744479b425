"""A platform's typed constraints: every mistake found without the engine, and what holds said in words."""

import pytest
from click.testing import CliRunner

from leser.cli.main import group
from leser.config.check import check_profile
from leser.errors import LeserError

SHOP = '[platform]\nname = "a"\nlocale = "en-US"\n[backend]\nname = "memory"\n[constraints]\nenabled = true\n'
PRICE = '[constraints.kinds.price]\nfield = "price"\n'


def profile(tmp_path, text):
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (SHOP, {"constraints": "maps no kind"}),
        (SHOP + PRICE + 'unit = "EURO"\n', {"constraints.kinds.price": "'EURO' is not a supported currency"}),
        (SHOP + 'locale = "fr-FR"\n' + PRICE, {"constraints.locale": "no words for limits in 'fr'"}),
        (SHOP.replace("en-US", "fr-FR") + PRICE, {"platform.locale": "no words for limits in 'fr'"}),
        (
            SHOP
            + PRICE
            + 'unit = "EURO"\n[constraints.kinds.length]\nfield = "l"\n[constraints.kinds.brand]\nfield = "b"\n',
            {
                "constraints.kinds.price": "'EURO' is not a supported currency",
                "constraints.kinds.length": "needs the unit",
                "constraints.kinds.brand": "needs the field's values",
            },
        ),
    ],
)
def test_every_mistake_is_named_with_its_key(tmp_path, text, wrong):
    with pytest.raises(LeserError) as caught:
        check_profile(profile(tmp_path, text))
    said = dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])
    assert {key.rpartition(", ")[2] for key in said} == set(wrong)
    for key, text in said.items():
        assert wrong[key.rpartition(", ")[2]] in text


PLUGIN = """
from leser_memory import MemoryBackend
from leser.hooks import hookimpl

class Weightless(MemoryBackend):
    \"\"\"Has no weighted clauses, so that no word can be excluded.\"\"\"
    name = "weightless"
    capabilities = MemoryBackend.capabilities - {"term_weights"}

@hookimpl
def leser_backends():
    return [Weightless]
"""


def test_an_engine_that_cannot_hold_a_kind_is_named_before_it_is_asked(tmp_path):
    plugin = tmp_path / "weightless.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    text = SHOP.replace("memory", "weightless").replace("[constr", '[expansion]\nmode = "fuse"\n[constr') + PRICE
    assert check_profile(profile(tmp_path, text), [plugin])
    brand = '[constraints.kinds.brand]\nfield = "brand"\nvalues = ["Acme"]\n'
    with pytest.raises(LeserError, match=r"constraints\.kinds\.brand: needs excluded words, .* 'term_weights'"):
        check_profile(profile(tmp_path, text + brand), [plugin])


def test_what_is_switched_off_is_not_checked(tmp_path):
    assert check_profile(profile(tmp_path, SHOP.replace("true", "false")))


def test_what_holds_is_said_in_words(tmp_path):
    kinds = """
    [constraints.kinds]
    price = { field = "price" }
    size = { field = "size", unit = "EU" }
    memory = { field = "ram", unit = "GB" }
    weight = { field = "weight", unit = "kg" }
    material = { field = "text" }
    brand = { field = "brand", values = ["Acme", "Nordwind"] }
    """
    done = CliRunner().invoke(group, ["platforms", "check", str(profile(tmp_path, SHOP + kinds))])
    assert done.exception is None, done.exception
    assert (
        """Typed in a query and respected by every search (read as en-US)
  price: limits in USD; field price
  size: sizes (EU); field size
  memory: amounts and limits in GB, with a word that says what they are; field ram
  weight: amounts and limits in kg; field weight
  material: known words, not wanted; field text
  brand: 2 values, wanted or not wanted; field brand
"""
        in done.output
    )
