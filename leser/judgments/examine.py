"""`leser judgments check`: everything that can be said of a task's judgments before training, for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leser.errors import LeserError
from leser.holes.expected import ExpectedGrades
from leser.holes.judge import DocumentJudge, usual_judge
from leser.holes.primary import choose, contrast_of, judged_share, settled_by
from leser.holes.treatment import Forms, depth_of_holes, forms_of
from leser.judgments.facts import Contradictions, Depth, contradictions_of, depth_of
from leser.judgments.headroom import HeadRoom, head_room, sample_of, systems_of
from leser.judgments.pairs import Ordered, ordered_rightly
from leser.judgments.raters import RaterAgreement
from leser.judgments.sentence import Conclusion, conclude
from leser.reward import parse_spec
from leser.reward_calls import make_reward
from leser.scoring import RewardSet
from leser.session import context_of

if TYPE_CHECKING:
    from leser.reward import Reward
    from leser.session import Session

DEPTHS = (5, 10, 20, 100)


@dataclass(frozen=True, slots=True)
class JudgmentsWanted:
    """How many queries are searched with, and which judges are compared: none named, those of the configuration."""

    queries: int = 100
    judges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; `judged` maps depths to the mean share of judged documents among the engine's own top hits."""

    task: str
    engine: str
    depth: Depth
    judged: dict[int, float]
    contradictions: Contradictions
    agreement: RaterAgreement | None
    ordered: tuple[Ordered, ...]
    forms: Forms
    primary: str
    room: HeadRoom
    conclusion: Conclusion


def examine(
    session: Session, wanted: JudgmentsWanted, agreement: RaterAgreement | None, tell: Callable[[str], None]
) -> Examination:
    """Examine the session's task on its engine; `tell` hears what takes its time. Test queries are not searched with.

    Raises LeserError for a first measure that does not read judgments, and for a judge that there is not; EngineDown.
    """
    config, task, environment = session.config, session.task, session.environment
    classes = session.registry.all("reward")
    judges = _judges(session, wanted.judges)
    expected = environment.expected
    if expected is None and judges:
        expected = ExpectedGrades(judges[0], task.train, config.seed)
    if expected is not None and expected.lacking:
        expected = None
    first = config.evaluation.measures[0]
    forms = forms_of(first, classes, judge=expected is not None)
    if forms is None:
        raise LeserError(
            f"'{first}', the first of evaluation.measures, does not read judgments document by document. "
            "Put one that does in front, such as -o 'evaluation.measures=[\"nDCG@10\"]'."
        )
    sample = sample_of(task.train, wanted.queries, config.seed)
    rankings = environment.originals(sample.queries)
    shares = {k: judged_share(sample.queries, sample, rankings, k) for k in DEPTHS}
    ordered = []
    for judge in judges:
        tell(f"Judging pairs: {judge.name} ...")
        ordered.append(ordered_rightly(judge, (task.train, task.dev), config.seed))
    # baselines are tuned on the measure itself: a run's rewards may be a judge, which would be examined by itself
    spec = parse_spec(forms.plain)
    context = replace(context_of(session), rewards=RewardSet([make_reward(classes[spec.family], spec)], [1.0]))
    blind = _blind(judges, classes, depth_of_holes(first))
    runs, left_out = systems_of(context, environment, sample, blind, config.verified, tell, config.seed)
    tell("Measuring ...")
    room = head_room(
        sample,
        runs,
        forms.names,
        left_out,
        rewards=classes,
        resamples=config.evaluation.resamples,
        seed=config.seed,
        expected=expected,
    )
    depth = depth_of(task)
    dev = settled_by(task.dev, config.seed)
    share = judged_share(dev, task.dev, environment.originals(dev), depth_of_holes(first))
    primary = choose(first, forms, share, contrast_of(dev, task.dev))
    return Examination(
        task=task.name,
        engine=config.backend.name,
        depth=depth,
        judged={k: share for k, share in shares.items() if share is not None},
        contradictions=contradictions_of(task, _titles(session)),
        agreement=agreement,
        ordered=tuple(found for found in ordered if found is not None),
        forms=forms,
        primary=f"{primary.measure}: {primary.why}",
        room=room,
        conclusion=conclude(room, forms, depth, len(task.test.queries)),
    )


def _judges(session: Session, named: Sequence[str]) -> list[DocumentJudge]:
    """The judges to compare: those named, else the configuration's."""
    classes, fetch = session.registry.all("reward"), session.client.fetch
    usual = session.config.evaluation.judge or usual_judge(session.environment.rewards.rewards)
    return [DocumentJudge.of(text, classes, fetch) for text in named or ([usual] if usual else [])]


def _blind(judges: Sequence[DocumentJudge], classes: dict[str, type[Reward]], depth: int) -> Reward | None:
    """The first judge as a reward of the top hits."""
    if not judges:
        return None
    spec = parse_spec(f"{judges[0].name}@{depth}")
    return make_reward(classes[spec.family], spec)


def _titles(session: Session) -> dict[str, str]:
    task, field = session.task, session.task.title_field
    ids = sorted({id for split in task.splits for grades in split.qrels.values() for id in grades})
    return {id: d.fields.get(field, "") for id, d in session.client.fetch(ids, (field,)).items()}
