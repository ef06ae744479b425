"""Settles, before anything is trained, which measure a run is judged by, and what stands beside it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

from leser.errors import LeserError
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.holes.expected import lacking_in
from leser.holes.judge import usual_judge
from leser.holes.primary import Primary, choose, contrast_of, judged_share, names_with_forms, settled_by
from leser.holes.treatment import Forms, Treatment, depth_of_holes, forms_of, split_name
from leser.task import has_relevant
from leser.textfile import read_text

if TYPE_CHECKING:
    from leser.session import Session
    from leser.store.folder import RunFolder


def settle_primary(session: Session, folder: RunFolder) -> tuple[Session, str]:
    """The session with `evaluation.primary` filled in, and a sentence that says what it is and why.

    What a configuration names stays. A run that is resumed keeps what it began with, also nothing: one that an earlier
    version began is judged by the first of its measures.
    """
    table = session.config.evaluation
    if table.primary is not None:
        return session, f"Primary measure: {table.primary} (evaluation.primary)."
    if session.config.resume and folder.config_path.exists():
        begun = tomllib.loads(read_text(folder.config_path)).get("evaluation", {}).get("primary")
        found = Primary(begun or table.measures[0], "as the run began")
        if begun is None:
            return session, f"Primary measure: {found.measure} ({found.why})."
    else:
        found = _chosen(session)
    evaluation = table.model_copy(update={"primary": found.measure})
    config = session.config.model_copy(update={"evaluation": evaluation})
    return replace(session, config=config), f"Primary measure: {found.measure} ({found.why})."


def unfilled(session: Session) -> str:
    """A sentence on why holes are not filled though a judge is among the rewards; empty where there is nothing to say."""
    judge = usual_judge(session.environment.rewards.rewards)
    if judge is None or session.environment.expected is not None:
        return ""
    return f"{judge} does not fill holes in the final table: {lacking_in(session.task.train)}."


def primary_of(session: Session) -> str:
    """The measure that the verdict is about."""
    table = session.config.evaluation
    return table.primary or table.measures[0]


def forms_shown(session: Session) -> Forms | None:
    """The primary measure under each treatment of holes; None where it has no others."""
    judge = session.environment.expected is not None
    return forms_of(primary_of(session), session.registry.all("reward"), judge=judge)


def measures_shown(session: Session) -> tuple[str, ...]:
    """What the final table holds; the primary measure first. Raises LeserError for one that needs a judge there is not."""
    names = names_with_forms(session.config.evaluation.measures, primary_of(session), forms_shown(session))
    filled = [name for name in names if split_name(name)[1] is Treatment.EXPECTED]
    if filled and session.environment.expected is None:
        raise LeserError(
            f"The measure '{filled[0]}' fills holes, and no judge is named. Set -o evaluation.judge=encoder, or add a "
            "reward such as encoder@10."
        )
    return names


def _chosen(session: Session) -> Primary:
    measures, dev = session.config.evaluation.measures, session.task.dev
    first = measures[0]
    judged = any(has_relevant(split.qrels, query) for split in (dev, session.task.test) for query in split.queries)
    if not judged and (other := next((name for name in measures if _has_values(session, name)), None)):
        why = "no dev or test query has a relevant document: the first of evaluation.measures that needs no judgments"
        return Primary(other, why)
    forms = forms_of(first, session.registry.all("reward"), judge=False)
    if forms is None:
        return choose(first, None, None, 0.0)
    queries = settled_by(dev, session.config.seed)
    rankings = session.environment.originals(queries)
    share = judged_share(queries, dev, rankings, depth_of_holes(first))
    return choose(first, forms, share, contrast_of(queries, dev))


def _has_values(session: Session, measure: str) -> bool:
    """Whether a measure has a value for any of dev's queries as they were typed."""
    environment, rewards, dev = session.environment, session.registry.all("reward"), session.task.dev
    asked = replace(dev, queries=tuple(settled_by(dev, session.config.seed)))
    run = SystemRun("original", environment.originals(asked.queries))
    fetch, filled = environment.client.fetch, environment.expected
    measurer = Measurer(asked, [measure], rewards, fetch, environment.platform, expected=filled)
    return bool(measurer(run, run)[measure])
