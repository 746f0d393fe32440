"""Proofs and comparisons after the search: engines agree; what distillation, stage 2 and recurrence are worth."""

from pathlib import Path
from typing import Any

from edgekd.contracts.candidate import Candidate
from edgekd.contracts.config import Config
from edgekd.contracts.results import PairParity
from edgekd.evaluate import parity
from edgekd.evaluate.findings import Evidence, Explored
from edgekd.evaluate.jobs import RESULT, Jobs
from edgekd.evaluate.selection import best_recurrent, spread_over_front
from edgekd.run import read_json
from edgekd.search.batches import divide
from edgekd.search.driver import Driver, Job


def verify(driver: Driver, config: Config, chosen: Candidate, explored: Explored) -> Evidence:
    """Check parity of the chosen candidate and of the front, and train what the report compares them with.

    Disagreement when engines differ where they must not.
    """
    jobs, folder, progress = Jobs(config, driver.run.folder), driver.run.folder, driver.run.progress
    parities = {candidate: jobs.parity(candidate) for candidate in dict.fromkeys([chosen, *explored.front])}
    ablated = spread_over_front(config, explored.scores, config.search.ablate)
    ablations = [jobs.ablation(batch) for batch in divide(ablated, "ablation", config.search.seeds)]
    recurrent = best_recurrent(explored.scores)
    without_recurrence = {recurrent: jobs.without_recurrence(recurrent)} if recurrent else {}
    dlnet = jobs.dlnet()
    wanted = [*parities.values(), *ablations, *without_recurrence.values(), dlnet]
    progress.start("verify", len(wanted))
    driver.make(wanted)
    progress.finish()
    evidence = Evidence(
        parities={
            candidate: {pair: PairParity.parse(value) for pair, value in _result(folder, job).items()}
            for candidate, job in parities.items()
        },
        ablations={Candidate.parse(name): errors for job in ablations for name, errors in _result(folder, job).items()},
        without_recurrence={candidate: _result(folder, job)["error"] for candidate, job in without_recurrence.items()},
        dlnet=_result(folder, dlnet),
    )
    for candidate, pairs in evidence.parities.items():
        parity.check(pairs, candidate.name)
    return evidence


def _result(folder: Path, job: Job) -> Any:
    return read_json(folder / job.piece / RESULT)
