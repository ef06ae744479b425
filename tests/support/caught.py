"""Which tests of a kit fail for each class of a module of planted faults: one run of pytest in this process."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest


class _Failures:
    """Notes failed tests by their class, in the order they ran; errors at set-up or collection are failures too."""

    def __init__(self) -> None:
        self.failed: dict[str, list[str]] = defaultdict(list)
        self.said: dict[str, str] = {}
        self.passed: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cls, _, test = report.nodeid.rpartition("::")
        cls, test = cls.rpartition("::")[2], test.partition("[")[0]
        if report.failed:
            self.said.setdefault(cls, str(report.longrepr))
            if test not in self.failed[cls]:
                self.failed[cls].append(test)
        elif report.when == "call":
            self.passed[cls] += report.passed


def failures(module: str) -> _Failures:
    """Run the module's tests and say what failed; the module must be collected without an error."""
    seen, path = _Failures(), Path(module)
    options = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
    # it would take SIGSEGV from a Java machine of this process, which handles its own null checks by it
    options += ["-p", "no:faulthandler"]
    code = pytest.main([str(path), "--rootdir", str(path.parent), "--noconftest", *options], plugins=[seen])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"{path.name} cannot be collected"
    return seen
