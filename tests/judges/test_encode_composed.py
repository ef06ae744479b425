"""`leser encode` finds an encoder wherever a configuration's rewards name it: in a product, and between bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from settings import small_task

from leser.cli.main import group


@pytest.mark.parametrize("form", ["{}[0.1:0.8]=1", "nDCG@10 * {}=1"])
def test_an_encoder_inside_a_composed_reward_is_found(tmp_path: Path, form: str) -> None:
    task = small_task(tmp_path / "shop")
    (task / "corpus.jsonl").unlink()  # so that nothing need be encoded: the encoder was found, documents were not
    reward = form.format(f"encoder(cache='{tmp_path / 'vectors'}')@10")
    done = CliRunner().invoke(group, ["encode", "--task", str(task), "--reward", reward])
    assert "brings no documents to encode" in str(done.exception)
