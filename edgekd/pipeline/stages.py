"""The stages in order: `compress` takes a configuration and a table all the way to firmware and a report."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.errors import DataError
from edgekd.contracts.results import CandidateResult, Report
from edgekd.data.prepared import Prepared, load_prepared, prepare, table_sha256
from edgekd.evaluate.findings import Findings
from edgekd.evaluate.jobs import TEACHER, Jobs
from edgekd.evaluate.selection import built, choose
from edgekd.pipeline.exploration import run_search
from edgekd.pipeline.front import write_firmware
from edgekd.pipeline.verification import verify
from edgekd.run import MANIFEST, Pieces, Progress, Run
from edgekd.search.driver import Driver, Job
from edgekd.search.executor import Executor, InProcess, LocalPool

WORKER = "edgekd.evaluate.worker:Worker"
REPAIR = "edgekd compress, with the same configuration and --out, makes again what was changed"


def compress(
    config: Config, folder: Path, progress: Progress, *, seconds: float = math.inf, workers: int = 1
) -> Report:
    """Search, choose, verify and report. What `folder` holds already is not done again.

    The search ends with as many candidates as the configuration wants, or so that all is done `seconds` from now;
    `workers` processes share the work. DoesNotFit when no candidate meets the budget, Disagreement when engines differ.
    """
    until, table = time.monotonic() + seconds, table_sha256(config)
    with Run(folder, progress) as run:
        prepared = prepare_data(run, config, table)
        with start_workers(run, config, workers) as driver:
            jobs = Jobs(config, folder)
            teacher = train_teacher(driver, jobs.teacher(), jobs.dlnet())
            explored = run_search(driver, config, table, until)
            chosen = choose(config, explored.scores)
            evidence = verify(driver, config, chosen, explored)
        write_firmware(run, config, chosen.name, prepared)
        findings = Findings(
            folder=folder,
            config=config,
            table_sha256=table,
            prepared=prepared,
            teacher=teacher,
            explored=explored,
            chosen=chosen,
            evidence=evidence,
            seconds=run.seconds(),
        )
        return write_report(run, findings)


def explore(
    config: Config, folder: Path, progress: Progress, *, seconds: float, workers: int
) -> dict[Candidate, CandidateResult]:
    """The search alone: the front, on validation, of what is known when it ends."""
    until, table = time.monotonic() + seconds, table_sha256(config)
    with Run(folder, progress) as run:
        prepare_data(run, config, table)
        with start_workers(run, config, workers) as driver:
            train_teacher(driver, Jobs(config, folder).teacher())
            explored = run_search(driver, config, table, until)
    results = built(explored.scores)
    return {candidate: results[candidate] for candidate in explored.front}


def prepare_data(run: Run, config: Config, table_sha256: str) -> Prepared:
    """Read, check, split, augment and window the table, fit preprocessing and baselines."""
    sections = {name: getattr(config, name).model_dump() for name in ("data", "task", "augment")}
    key = {**sections, "table": table_sha256, "seed": config.search.seed}
    return load_prepared(run.piece("data", key, partial(prepare, config)))


@contextmanager
def start_workers(run: Run, config: Config, processes: int) -> Iterator[Driver]:
    """A driver of `processes` workers, of this process when it is one. Workers end with the context."""
    data = (config, run.files("data"))
    executor: Executor = InProcess(WORKER, data) if processes == 1 else LocalPool(WORKER, data, processes)
    try:
        yield Driver(run, executor)
    finally:
        executor.stop()


def train_teacher(driver: Driver, teacher: Job, *spare: Job) -> Path:
    """Train the teacher; returns the folder of its weights. spare: jobs for workers that would wait for it."""
    driver.submit([teacher, *spare])
    driver.run.progress.start("teacher", 1)
    driver.make([teacher])
    driver.run.progress.finish()
    return driver.run.folder / TEACHER


def write_report(run: Run, findings: Findings) -> Report:
    """Score on test, and write the report as a piece of the run."""
    from edgekd import report
    from edgekd.evaluate import report_data

    result = report_data.assemble(findings)
    needs = (f"models/{findings.chosen.name}", f"firmware/{findings.chosen.name}")
    key = {name: value for name, value in result.to_dict().items() if name != "seconds"}
    run.piece("report", key, lambda place: report.write(result, place), needs=needs)
    return result


def check_run(folder: Path) -> int:
    """Compare every file of a finished run with what was recorded when it was made; returns how many pieces there are.

    DataError names all that was changed, and what stands for something that is not there any more.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder} has no {MANIFEST}", hint="is this the folder of a run?")
    pieces = Pieces(folder)
    changes = pieces.check()
    if changes:
        count = f"{len(changes)} changes" if len(changes) > 1 else "1 change"
        raise DataError("\n".join([f"{folder}: {count} since it was made", *changes]), hint=REPAIR)
    return len(pieces.manifest())
