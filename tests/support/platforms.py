"""Platform profiles written for a test, and what the command line says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result
from places import ROOT

from leser.cli.main import group
from leser.config.build import complete
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.plugins import load_plugins

SHIPPED = ROOT / "examples" / "platforms"


Write = Callable[..., Path]


BASE = """
seed = 7
[backend]
name = "memory"
k1 = 1.2
analysis = "english"
[task]
name = "demo"
seed = 3
[rewards]
weights = ["nDCG@10=0.7", "coverage@10=0.3"]
[rules.contact]
[rules.count]
most = 4
"""


SHOP = """
extends = "base.toml"
[platform]
name = "shop"
locale = "de-DE"
[backend]
analysis = "german"
[rules.count]
most_words = 2
[rules.banned]
words = ["gun"]
"""


def leser(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], env={"HF_HUB_OFFLINE": "1", "COLUMNS": "120"})


def said(*arguments: str | Path) -> str:
    done = leser(*arguments)
    assert done.exception is None, done.exception
    return done.output


def resolved(platform: Path | None, config: Path | None = None, *assignments: str, **flags: str) -> RunConfig:
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return complete(load_config(config, given, assignments, platform), load_plugins())
