"""Rules as tables of the configuration."""

from __future__ import annotations

import json
import tomllib

import pytest
from rule_cases import SHELF

from leser.config.build import complete
from leser.config.load import load_config
from leser.environment import Attempt
from leser.errors import LeserError
from leser.expansion import Code
from leser.plugins import load_plugins
from leser.session import open_session
from leser.task import Query

LAMP = Query("q1", "lamp")
FILE = """
[task]
name = "demo"
[backend]
name = "memory"
[rules]
locale = "de"
[rules.banned]
words = ["gun"]
[rules.restricted.categories]
alcohol = ["wine"]
[rules.contact]
"""


def test_rules_are_tables_of_the_configuration(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(FILE)
    config = complete(load_config(path, {}, ['rules.banned.words=["gun", "knife"]', "rules.count={}"]), load_plugins())
    assert config.rules.locale == "de"
    assert list(config.rules.options) == ["banned", "restricted", "contact", "count"]
    assert config.rules.options["banned"]["words"] == ["gun", "knife"]
    text = config.resolved()
    assert tomllib.loads(text)["rules"]["restricted"]["categories"] == {"alcohol": ["wine"]}
    (tmp_path / "again.toml").write_text(text)
    assert complete(load_config(tmp_path / "again.toml"), load_plugins()).resolved() == text


def test_a_configuration_without_rules_says_nothing_of_them(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[task]\nname = "demo"\n[backend]\nname = "memory"\n')
    assert "rules" not in tomllib.loads(complete(load_config(path), load_plugins()).resolved())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rules.baned]\n", "Unknown rule 'baned'. Did you mean 'banned'"),
        ("[rules.banned]\nwrods = ['x']\n", r"Unknown option 'wrods' of \[rules.banned\]. Did you mean 'words'"),
        ("[rules]\nbanned = 3\n", "banned"),
        ("[rules.count]\nmost = 'many'\n", r"(?s)Bad options of \[rules.count\].*most"),
    ],
)
def test_a_mistake_in_the_file_is_found_before_anything_is_opened(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text('[task]\nname = "demo"\n[backend]\nname = "memory"\n' + text)
    with pytest.raises(LeserError, match=message):
        complete(load_config(path), load_plugins())


def test_a_run_compiles_its_rules_before_it_trains(tmp_path):
    folder = tmp_path / "shop"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": d.id, "title": d.fields["title"], "text": d.fields["text"]} for d in SHELF]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = {"train": "sofa", "dev": "lamp", "test": "rug"}
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": split, "text": text}) + "\n" for split, text in queries.items())
    )
    for split, document in zip(queries, ("sofa1", "lamp1", "rug1"), strict=True):
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{split}\t{document}\t1\n")
    registry = load_plugins()
    flags = {"task.name": str(folder), "backend.name": "memory"}
    config = complete(load_config(None, flags, ["rules.contact={}", 'rules.banned.words=["gun"]']), registry)
    session = open_session(config, registry)
    try:
        assert session.environment.rules.codes == ("contact", "banned", "repetition")
        assert session.facts["rules"] == "contact, banned, repetition"
        assert session.environment.read(Attempt(LAMP, 0, "gun"))[1] is Code.RULE_VIOLATION
    finally:
        session.client.close()
