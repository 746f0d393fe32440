"""Fixtures that several test files use. What takes long is made once for all processes of a parallel run."""

import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import small_run
from browser import CHROMIUM, Browser

MOST_PROCESSES = 8
LONG_S = 400
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole suite runs on every core; single files run in one process, where a fixture is made once."""
    files = [argument for argument in config.args if ".py" in argument]
    return 0 if files else min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that make a whole run, or wait for the one that all read, more time."""
    for item in items:
        makes_run = item.get_closest_marker("heavy") or "finished_run" in getattr(item, "fixturenames", ())
        if makes_run and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where every tool is meant to be there (EDGEKD_CI), a test that is skipped for want of one fails."""
    return missing_tools_fail((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As above, for files that are skipped as a whole."""
    return missing_tools_fail((yield))


def missing_tools_fail(report: Report) -> Report:
    if os.environ.get("EDGEKD_CI") and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if "is not installed" in reason or "could not import" in reason:
            report.outcome, report.longrepr = "failed", f"every tool should be there: {reason}"
    return report


def made_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder made by `build(folder)` in the first test process that asks for it; others wait. Tests only read it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / f"{name}.done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            (base / f"{name}.done").touch()
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small.yaml, cells.csv and their finished run in out/. Not to be changed: copy it."""

    def build(folder: Path) -> None:
        from edgekd.contracts.config import load_config
        from edgekd.pipeline.stages import compress

        compress(load_config(small_run.write(folder)), folder / "out", small_run.Log())

    return made_once(tmp_path_factory, "finished_run", build)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with Browser(CHROMIUM) as chromium:
        yield chromium
