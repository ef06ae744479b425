"""With reasoning, the warm-up teaches what comes after a reasoning of the policy's own, and no empty one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bad_input import tables

from leser.config.build import complete
from leser.config.load import config_of
from leser.expansion import MARKER, Expansion, ExpansionOptions, Parsed, parse
from leser.formats.read import read_task
from leser.plugins import load_plugins
from leser.policy.loading import preview_policy
from leser.policy.options import PolicyOptions
from leser.policy.packed import group_logprobs
from leser.run.runner import build_policy
from leser.sampler import Sampler
from leser.session import open_session
from leser.store.folder import RunFolder
from leser.task import Split
from leser.training.supervised import Example, supervised_step
from leser.training.warmup import examples
from leser.warmup.reasoning import encoded, reasoned
from leser.warmup.targets import Target, read_targets, write_targets

ROOM = 40


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    registry = load_plugins()
    settings = {**tables(tmp_path, expansion={"reasoning": True}), "out": str(tmp_path / "run")}
    session = open_session(complete(config_of(settings), registry), registry)
    policy = build_policy(session, RunFolder(tmp_path / "run"))
    return Sampler(policy, session.environment, session.config.prompt, ROOM)


def targets_of(sampler: Sampler, tmp_path: Path) -> list[Target]:
    queries = read_task(str(tmp_path / "shop"), load_plugins().all("reader")).train.queries
    return [Target(q, sampler.environment.say(()), 0.0) for q in queries] + [
        Target(queries[0], f"{MARKER} settee; velvet", 0.4)
    ]


def test_a_target_stands_after_the_policy_s_own_reasoning(sampler: Sampler, tmp_path: Path) -> None:
    targets = targets_of(sampler, tmp_path)
    found = reasoned(sampler, targets, seed=1)
    assert found == reasoned(sampler, targets, seed=1) != targets
    for target in found:
        assert target.reasoning.strip()
        tokens, given = encoded(sampler.policy, target)
        assert 0 < given < len(tokens) <= ROOM, "what is taught fits into a completion"
        text = sampler.policy.decode(tokens).replace(MARKER.lower(), MARKER)  # the tokenizer is one of small letters
        read = parse(text, ExpansionOptions(reasoning=True))
        assert isinstance(read, Parsed)
        assert read.reasoning, "not an empty one"
        assert sampler.environment.say(read.expansions) == target.completion
    write_targets(tmp_path / "targets.jsonl", found)
    split = Split("train", tuple({t.query.id: t.query for t in targets}.values()), {})
    assert read_targets(tmp_path / "targets.jsonl", split) == found, "a resume learns what was sampled before it"


def test_the_marker_is_taught_only_where_the_policy_does_not_write_it(sampler: Sampler, tmp_path: Path) -> None:
    query = targets_of(sampler, tmp_path)[0].query
    policy = sampler.policy
    own, given = encoded(policy, Target(query, f"{MARKER} settee", 0.4, f"red things {MARKER}"))
    assert policy.decode(own[given:]).split() == ["settee"]
    assert policy.decode(own[:given]).endswith(MARKER.lower())
    cut, given = encoded(policy, Target(query, f"{MARKER} settee", 0.4, "red things\n"))
    assert policy.decode(cut[given:]) == f"{MARKER.lower()} settee"
    alone, given = encoded(policy, Target(query, "settee", 0.4))
    assert (alone, given) == (policy.encode_completion("settee"), 0)


def test_the_loss_is_that_of_the_part_after_the_reasoning(sampler: Sampler, tmp_path: Path) -> None:
    query = targets_of(sampler, tmp_path)[0].query
    target = Target(query, f"{MARKER} settee", 0.4, f"a red thing {MARKER}")
    batch = examples(sampler, [target, Target(query, f"{MARKER} sofa", 0.4)])
    assert batch[0].given == (len(sampler.policy.encode_completion(target.reasoning)) - 1, 0)
    logprobs = group_logprobs(sampler.policy, [batch[0].prompt], [batch[0].completions]).logprobs[0].detach()
    given, (first, second) = batch[0].given[0], batch[0].completions
    taught = torch.cat([logprobs[0, given : len(first)], logprobs[1, : len(second)]])
    optimizer = torch.optim.SGD(sampler.policy.model.parameters(), lr=0.0)
    assert supervised_step(sampler.policy, optimizer, batch, 0.0) == pytest.approx(float(-taught.mean()), rel=1e-5)
    whole = [Example(batch[0].prompt, batch[0].completions)]
    everything = torch.cat([logprobs[0, : len(first)], logprobs[1, : len(second)]])
    assert supervised_step(sampler.policy, optimizer, whole, 0.0) == pytest.approx(float(-everything.mean()), rel=1e-5)


def test_with_a_leading_space_the_first_word_is_the_token_that_it_is_elsewhere(
    sampler: Sampler, tmp_path: Path
) -> None:
    query, smollm2 = targets_of(sampler, tmp_path)[0].query, preview_policy(PolicyOptions(name="smollm2", device="cpu"))
    target, inside = Target(query, "beanie; wool hat", 0.4), smollm2.encode_completion("hat; beanie")
    usual, _ = encoded(smollm2, target)
    spaced, given = encoded(smollm2, target, leading_space=True)
    assert usual[0] not in inside
    assert spaced[0] in inside
    assert given == 0
    read = [parse(smollm2.decode(tokens), ExpansionOptions()) for tokens in (usual, spaced)]
    assert read[0] == read[1] == Parsed((Expansion("beanie"), Expansion("wool hat")))
    tiny = sampler.policy
    assert tiny.decode(encoded(tiny, target, leading_space=True)[0]) == "beanie; wool hat"
    assert encoded(tiny, target, leading_space=True) == encoded(tiny, target), "its tokenizer does it anyway"
    with_reasoning = Target(query, f"{MARKER} beanie", 0.4, "hm\n")
    assert encoded(smollm2, with_reasoning, leading_space=True) == encoded(smollm2, with_reasoning)
