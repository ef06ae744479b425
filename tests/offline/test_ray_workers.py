"""`--engine ray`: two workers of a local Ray answer as one process does, also where one is killed in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray_jobs
from click.testing import CliRunner
from ray_jobs import SIZE, die_always, die_once, no_engine, not_openable, noting, source_of, unlike
from settings import small_task

from leser.cli.main import group
from leser.cluster.connection import Cluster, check_size, open_ray
from leser.cluster.signal_handlers import crash_handlers
from leser.errors import EngineDown, LeserError
from leser.expansion_store import StoredEntry
from leser.inspect.precomputing import open_job
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery, read_frequent
from leser.offline.job import BlockAnswerer
from leser.offline.ray_workers import RayJob
from leser.offline.refresh import refresh
from leser.stores import open_store

TWO = Cluster(workers=2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_task(tmp_path_factory.mktemp("task") / "shop")
    texts = [json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text().splitlines()]
    rows = [f'"{text}",{len(texts) - n}\n' for n, text in enumerate(texts)]
    (folder / "log.csv").write_text("query,count\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def wanted(shop: Path) -> list[FrequentQuery]:
    return read_frequent(shop / "log.csv")


@pytest.fixture(scope="module")
def alone(shop: Path, wanted: list[FrequentQuery], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The entries that one process makes."""
    with open_job(source_of(shop), "search", "train+dev") as job:
        return refreshed(job, wanted, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(ray_jobs.__file__).parent))  # workers open jobs of the tests
        before = handlers()
        with open_ray(TWO) as opened:
            assert handlers() == before, "a Java machine of this process would die of its own null checks"
            yield opened
        assert handlers() == before, "as above, once Ray is shut down"


def handlers() -> dict[int, bytes]:
    """The addresses of this process's handlers of crash signals."""
    return {number: stored[:8] for number, stored in crash_handlers().items()}


class Kept(BlockJournal):
    """A journal that counts its lines by key, and may stop the job after some blocks."""

    def __init__(self, path: Path, stop_after: int | None = None) -> None:
        super().__init__(path)
        self.written: Counter[str] = Counter()
        self._left = stop_after

    def append(self, block: Any) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        super().append(block)
        self.written.update(row["key"] for row in block)
        self._left = None if self._left is None else self._left - 1


def refreshed(job: BlockAnswerer, wanted: list[FrequentQuery], folder: Path, **given: Any) -> dict[str, Any]:
    """The entries of a store that the job fills, without their times."""
    with open_store(str(folder / "head.jsonl"), create=True) as store:
        refresh(job, store, wanted, given.pop("journal", BlockJournal(folder / "journal")), **given)
        store.verify()
        return plain(store.entries())


def plain(entries: Iterator[StoredEntry]) -> dict[str, Any]:
    return {entry.query: {k: v for k, v in entry.row().items() if k != "time"} for entry in entries}


def noted(folder: Path) -> list[tuple[str, str]]:
    lines = [line.partition(" ") for line in (folder / "noted").read_text().splitlines()]
    return [(pid, query) for pid, _, query in lines]


def test_a_killed_workers_block_is_done_again(ray, shop, wanted, alone, tmp_path):
    journal = Kept(tmp_path / "journal")
    with RayJob(ray, noting(shop, tmp_path, die_once), TWO) as job:
        found = refreshed(job, wanted, tmp_path, journal=journal)
        assert job.deaths == 1
    assert found == alone
    assert journal.written == Counter(query.key for query in wanted)  # nothing is lost, nothing is written twice
    blocks = Counter(query for _, query in noted(tmp_path))
    killed = (tmp_path / "killed").read_text()
    assert blocks == Counter([query.text for query in wanted[::SIZE]] + [killed])
    assert len({pid for pid, _ in noted(tmp_path)}) == 3  # the two, and the one that replaced the killed one
    assert len(alone) == 88


def test_a_job_of_ray_is_finished_by_one_process(ray, shop, wanted, alone, tmp_path):
    stopped = Kept(tmp_path / "journal", stop_after=3)
    with RayJob(ray, noting(shop, tmp_path), Cluster(workers=1)) as job, pytest.raises(KeyboardInterrupt):
        refreshed(job, wanted, tmp_path, journal=stopped)
    (tmp_path / "noted").unlink()
    again = Kept(tmp_path / "journal")
    with noting(shop, tmp_path)() as here:
        assert refreshed(here, wanted, tmp_path, journal=again, resume=True) == alone
    assert again.written + stopped.written == Counter(query.key for query in wanted)
    assert len(noted(tmp_path)) == 7 - 3


def test_a_block_that_kills_every_worker_ends_the_job(ray, shop, wanted, tmp_path):
    one = Cluster(workers=1)
    with (
        RayJob(ray, noting(shop, tmp_path, die_always), one) as job,
        pytest.raises(LeserError, match="3 workers died at the block of queries that begins with") as caught,
    ):
        list(job.answers([wanted[:2]]))
    assert "--resume" in str(caught.value)
    assert len(noted(tmp_path)) == 3


def test_a_workers_error_is_the_commands_error(ray, shop, wanted, tmp_path):
    with RayJob(ray, noting(shop, tmp_path, no_engine), Cluster(workers=1)) as job:
        with pytest.raises(EngineDown, match=r"^The engine does not answer. Start it.$") as caught:
            list(job.answers([wanted[:2]]))
        assert caught.value.exit_code == 75
    with pytest.raises(LeserError, match=r"^There is no index at nowhere. Build it.$"):
        RayJob(ray, not_openable(), Cluster(workers=1))
    with pytest.raises(LeserError, match="Two workers would not answer alike"):
        RayJob(ray, unlike(shop, tmp_path), TWO)


def test_nothing_is_said_to_rays_makers_and_nothing_listens_beyond_loopback(ray):
    from ray._common.usage.usage_lib import usage_stats_enabled

    assert not usage_stats_enabled()
    with pytest.raises(LeserError, match="Ray runs in this process already"), open_ray(TWO):
        pass
    sockets, rays = [], 0
    for process in psutil.Process().children(recursive=True):  # servers of other tests may be among them
        with suppress(psutil.NoSuchProcess, FileNotFoundError):  # one that has ended meanwhile hears nothing
            if any("ray" in part for part in (process.name(), *process.cmdline()[:2])):
                sockets += process.net_connections("inet")
                rays += 1
    assert rays > 3
    heard = {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}
    assert len(heard) > 0
    called = {one.raddr.ip for one in sockets if one.raddr}
    assert {ip.removeprefix("::ffff:") for ip in heard | called} <= {"127.0.0.1", "::1"}


def test_more_workers_than_there_could_be_are_refused():
    with pytest.raises(LeserError, match="Ray has 4 CPUs, and 5 workers need 5"):
        check_size({"CPU": 4.0}, Cluster(workers=5))
    with pytest.raises(LeserError, match="Ray has 0 GPUs, and 2 workers need 1"):
        check_size({"CPU": 4.0}, Cluster(workers=2, gpus=0.5))
    check_size({"CPU": 4.0, "GPU": 1.0}, Cluster(workers=2, gpus=0.5))


def arguments(shop: Path, out: Path, *more: object) -> list[str]:
    engine = ["--task", shop, "--backend", "memory", "--reward", "nDCG@10", "-o", f"precompute.queries_at_once={SIZE}"]
    return [*map(str, ["precompute", "--queries", shop / "log.csv", *engine, "--out", out, *more])]


def test_the_command_works_on_a_ray_that_runs(ray, shop, alone, tmp_path):
    address = ray.get_runtime_context().gcs_address
    out = tmp_path / "head.db"
    command = arguments(shop, out, "--engine", "ray", "--ray-address", address, "--workers", 1)
    main = [sys.executable, "-c", "from leser.cli.main import main; main()"]
    done = subprocess.run([*main, *command], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "100 queries in" in done.stdout
    with open_store(str(out)) as store:
        store.verify()
        assert plain(store.entries()) == alone


def test_options_of_ray_need_ray(shop, tmp_path):
    done = CliRunner().invoke(group, arguments(shop, tmp_path / "head.db", "--workers", 2))
    assert done.exit_code == 2
    assert "need --engine ray" in done.output
    assert not (tmp_path / "head.db").exists()
