"""Prompt methods: what a language model's words bring without a training of its weights, as systems to compare a policy with.

The forms are those of the papers, the words are ours. Each is written by the policy as it was before training, or by any
model behind an endpoint of the chat-completions form.
"""

from leser.baseline import Baseline
from leser.hooks import hookimpl
from leser_prompts.keywords import GenQR, Query2E
from leser_prompts.passages import CSQE, MuGI, QAExpand
from leser_prompts.searched import GEPA

__all__ = ["CSQE", "GEPA", "GenQR", "MuGI", "QAExpand", "Query2E"]


@hookimpl
def leser_baselines() -> list[type[Baseline]]:
    """Two methods that ask for keywords, three that ask for passages, and one that searches for its prompt."""
    return [GenQR, Query2E, QAExpand, MuGI, CSQE, GEPA]
