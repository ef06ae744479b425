"""Where a command's work is done: in its own process, or by workers of a Ray."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from leser.cluster.connection import Cluster

Command = TypeVar("Command", bound=Callable[..., Any])


def ray_options(command: Command) -> Command:
    """--engine, --workers, --ray-address and --gpus."""
    options = (
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Where the work is done: in this process, or by workers of Ray (leser[ray]).",
        ),
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Ray: how many workers; default: 2."),
        click.option(
            "--ray-address",
            metavar="ADDRESS",
            help="Ray: a running cluster; default: one for this job, on this machine.",
        ),
        click.option("--gpus", type=click.FloatRange(0), metavar="N", help="Ray: GPUs per worker; default: 0."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def cluster_of(given: dict[str, Any]) -> Cluster | None:
    """The Ray that is asked for, None for this process; raises where Ray's options are given without it."""
    from leser.cluster.connection import Cluster

    named = {"workers": given["workers"], "address": given["ray_address"], "gpus": given["gpus"]}
    chosen = {name: value for name, value in named.items() if value is not None}
    if given["engine"] == "local" and chosen:
        raise click.UsageError("--workers, --ray-address and --gpus need --engine ray.")
    return Cluster(**chosen) if given["engine"] == "ray" else None
