"""What an evaluation says of holes: the primary measure's forms, the judge's calibration, and what to judge next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.errors import EngineDown, LeserError
from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.holes.next import judge_next, write_next
from leser.holes.treatment import Forms, depth_of_holes, forms_of
from leser.reward import parse_spec
from leser.reward_calls import make_reward
from leser.run.primary import forms_shown, primary_of
from leser.task import has_relevant

if TYPE_CHECKING:
    from leser.evaluation.systems import SystemRun
    from leser.session import Session
    from leser.task import Split


def holes_content(
    session: Session, split: Split, runs: Sequence[SystemRun], path: Path, leave_out: Callable[[str], None]
) -> dict[str, Any]:
    """What evaluation.json holds of it; writes the documents to judge next to `path` where there are any.

    `leave_out` is told what could not be computed.
    """
    shown, expected = forms_shown(session), session.environment.expected
    relevant = sum(has_relevant(split.qrels, query) for query in split.queries)
    content: dict[str, Any] = {"primary": primary_of(session), "judged_queries": relevant}
    forms = shown or (None if relevant else _first_forms(session))
    if forms is None:
        return content
    content["holes"] = {"forms": asdict(shown) if shown else {}}
    if expected is not None:
        try:
            content["holes"]["calibration"] = expected.facts()
        except EngineDown:
            raise
        except LeserError as error:  # a judge that fails must not cost what was trained
            leave_out(f"Holes are not filled. {error}")
            expected = None
    before, after = (next((run for run in runs if run.name == name), None) for name in (ORIGINAL, POLICY))
    if before is None or after is None:
        return content
    spec = parse_spec(forms.plain)
    plain = make_reward(session.registry.get("reward", spec.family), spec)
    old, new = ({query.id: run.ranking(query.id) for query in split.queries} for run in (before, after))
    rows = judge_next(split, old, new, plain, depth_of_holes(forms.plain), expected)
    if rows:
        write_next(path, rows)
        content["holes"]["next"] = [{"query": r.query.text, "document": r.document} for r in rows]
        content["holes"]["file"] = path.name
    return content


def _first_forms(session: Session) -> Forms | None:
    """Where nothing is judged: the forms of the first measure that will read judgments once there are some."""
    found = (forms_of(name, session.registry.all("reward"), judge=False) for name in session.config.evaluation.measures)
    return next(filter(None, found), None)
