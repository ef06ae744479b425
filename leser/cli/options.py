"""Options that several sub-commands share."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)

plugin_files = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=_FILE,
    metavar="FILE.py",
    help="A file that is a plugin; may be repeated.",
)
platform_file = click.option(
    "--platform",
    type=_FILE,
    metavar="F.toml",
    help="Platform profile: a site or market. --config overrides it, and flags both.",
)
site_file = click.option(
    "--platform",
    type=_FILE,
    metavar="F.toml",
    help="Platform profile to transfer the policy to, in place of the run's own.",
)
config_file = click.option("--config", type=_FILE, metavar="F.toml", help="Configuration; a flag overrides the file.")
task_source = click.option("--task", metavar="DIR|NAME", help="Folder or file of a task, or a reader's name (demo).")
backend_name = click.option("--backend", metavar="NAME", help="Search engine; `leser plugins` lists them.")
reward_weights = click.option(
    "--reward", "rewards", multiple=True, metavar="NAME[=W]", help="A reward and its weight; may be repeated."
)
judge_rewards = click.option(
    "--reward",
    "rewards",
    multiple=True,
    metavar="NAME[=W]",
    help="The judge: a reward and its weight; may be repeated.",
)
assignments = click.option(
    "-o",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the backend, or by dotted path of any table, e.g. policy.lora_rank=8; may be repeated.",
)
