"""`leser encode`: the vectors of a task's documents, made before a run, here or by workers of a Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.cluster import cluster_of, ray_options
from leser.cli.options import assignments, config_file, platform_file, plugin_files, reward_weights, task_source


@click.command(
    "encode",
    short_help="Encode a task's documents ahead.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@assignments
@reward_weights
@plugin_files
@ray_options
def command(platform: Path | None, config: Path | None, assignments: tuple[str, ...], **given: Any) -> None:
    """Encode the documents of a task under the model of a reward such as encoder@10, so that a run finds them encoded.

    A run encodes what it meets by itself; this does it for the whole catalogue at once, with --engine ray on many machines. What
    is encoded already is left as it is, so a command that was stopped goes on when it is given again.
    """
    from leser.composition import leaves
    from leser.config.build import complete, task_of
    from leser.config.load import FLAGS, load_config
    from leser.errors import LeserError
    from leser.plugins import load_plugins
    from leser.reward import Reward
    from leser.scoring import RewardSet
    from leser.similarity import EncodesDocuments

    cluster = cluster_of(given)
    flags = {FLAGS[name]: value for name, value in given.items() if name in FLAGS and value not in (None, ())}
    loaded = load_config(config, flags, assignments, platform)
    registry = load_plugins(loaded.plugins)
    resolved = complete(loaded, registry)
    rewards = RewardSet.of(resolved.rewards, registry.all("reward"), resolved.expansion).rewards
    able = [r for r in leaves(rewards) if isinstance(r, Reward) and isinstance(r, EncodesDocuments)]
    if not able:
        raise LeserError("No reward of this configuration has an encoder. Name one: --reward encoder@10.")
    task = task_of(resolved, registry)
    if task.documents is None:
        raise LeserError(
            f"The task {task.name} brings no documents to encode. Name a folder with a corpus.jsonl; `leser corpus` "
            "writes one of an engine's index."
        )
    for reward in able:
        done = reward.encode_documents(task.documents(), cluster)
        failed = f", {done.failed} failed" if done.failed else ""
        click.echo(f"{reward.spec}: {done.texts} texts, {done.new} of them new{failed}.")
