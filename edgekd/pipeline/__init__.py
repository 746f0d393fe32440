"""START HERE: `compress` takes a configuration and a table all the way to firmware and a report."""

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

from edgekd import report
from edgekd.board import load_board
from edgekd.candidate import Candidate
from edgekd.config import Config
from edgekd.errors import DoesNotFit
from edgekd.models.population import Population
from edgekd.pareto import front
from edgekd.pipeline import deploy, prepare, summary, train
from edgekd.pipeline.points import write_firmware
from edgekd.pipeline.prepare import Prepared
from edgekd.run import Progress, Run, read_json, write_json
from edgekd.search.study import Objectives, Study

Scores = dict[str, dict[str, Any]]


def compress(config: Config, folder: Path, progress: Progress, seconds: float = math.inf) -> dict[str, Any]:
    """Teach, compress, export, choose, verify and report. What `folder` holds already is not done again.

    No generation of candidates but the first is begun later than `seconds` from now.
    """
    until = time.monotonic() + seconds
    with Run(folder, progress) as run:
        prepared = _prepare(run, config)
        teacher = _teach(run, config, prepared)
        students, scores = _search(run, config, prepared, teacher, until)
        chosen = _choose(config, scores)
        comparisons = _compare(run, config, scores, prepared, teacher)
        parity = _verify(run, config, scores, prepared)
        write_firmware(run, config, chosen.name, prepared)
        found = summary.assemble(run, config, prepared, teacher, students, scores, chosen, comparisons, parity)
        report.write(found, folder / "report")
        return found


def _prepare(run: Run, config: Config) -> Prepared:
    key = {"data": config.data.model_dump(), "table": prepare.table_sha256(config), "seed": config.search.seed}
    return prepare.load_prepared(run.piece("data", key, partial(prepare.prepare, config)))


def _teach(run: Run, config: Config, prepared: Prepared) -> Population:
    key = [config.teacher.model_dump(), _training(config)]
    build = partial(train.train_teacher, config, prepared, tick=run.progress.advance)
    folder = run.piece("teacher", key, build, steps=config.teacher.epochs, needs=("data",))
    return train.load_teacher(config, train.shape_of(config, prepared), folder)


def _search(
    run: Run, config: Config, prepared: Prepared, teacher: Population, until: float
) -> tuple[list[train.Students], Scores]:
    """Generations of candidates until there are as many as wanted, or until that time: trained, exported and measured,
    then bred from.
    """
    grid, wanted = train.grid_of(config), config.search.candidates
    study = Study(grid, min(config.search.generation, wanted), config.search.seed)
    first = train.first_of(config, min(config.search.generation, wanted))
    students: list[train.Students] = []
    scores: Scores = {}
    for number in range(wanted):
        ours = study.ask([] if number else first, wanted - len(scores))
        if not ours or (number and time.monotonic() > until):
            break
        for kind in (kind for kind in config.students.kinds if any(one.kind == kind for one in ours)):
            place = f"search/{number:03d}_{kind}"
            found = _train(run, config, place, [one for one in ours if one.kind == kind], prepared, teacher)
            students.append(found)
            scores |= _export(run, config, place, prepared, found)
        study.tell({one.name: _objectives(config, scores[one.name]) for one in ours})
    return students, scores


def _train(
    run: Run, config: Config, place: str, ours: list[Candidate], prepared: Prepared, teacher: Population
) -> train.Students:
    """Stage 1, then stage 2, of candidates of one kind."""
    shape, tick = train.shape_of(config, prepared), run.progress.advance
    names = [one.name for one in ours]
    first, second = f"{place}_stage1", f"{place}_stage2"
    build = partial(train.train_students, config, ours, prepared, teacher, tick=tick)
    key: list[Any] = [config.distill.stage1, _training(config), sorted({one.hidden for one in ours})]
    folder = run.piece(first, key, build, steps=config.students.epochs, needs=("data", "teacher"))
    stage1 = train.load_students(config, ours, shape, folder)
    build = partial(train.compress_students, config, ours, prepared, teacher, stage1, tick=tick)
    key = [config.distill.stage2, config.compress.epochs, names]
    folder = run.piece(second, key, build, steps=config.compress.epochs, needs=(first,))
    return train.load_candidates(config, ours, stage1, shape, folder)


def _export(run: Run, config: Config, place: str, prepared: Prepared, found: train.Students) -> Scores:
    scores = {}
    for member, one in enumerate(found.candidates):
        build = partial(deploy.export_candidate, config, prepared, found, member)
        piece = run.piece(f"models/{one.name}", [config.name, config.board], build, needs=(f"{place}_stage2",))
        scores[one.name] = read_json(piece / "score.json")
    return scores


def _objectives(config: Config, score: dict[str, Any]) -> tuple[Objectives, Objectives]:
    """Validation error, flash and latency; and by how much each cost is over its limit, as a share of it."""
    flash, _, ms = costs = _costs(score)
    over = tuple(cost / limit - 1 for cost, limit in zip(costs, _limits(config), strict=True))
    return (score["val"]["mae"], flash, ms), over


def _choose(config: Config, scores: Scores) -> Candidate:
    """The most accurate candidate, on validation, that meets the budget and fits the board. DoesNotFit when none."""
    limits = _limits(config)
    for score in scores.values():
        score["meets_budget"] = all(value <= most for value, most in zip(_costs(score), limits, strict=True))
    points = [(score["val"]["mae"], _costs(score)[0]) for score in scores.values()]
    on_front = front(points)
    for index, score in enumerate(scores.values()):
        score["on_front"] = index in on_front
    fitting = [name for name, score in scores.items() if score["meets_budget"]]
    if not fitting:
        least = min(scores, key=lambda name: _costs(scores[name]))
        needs = "{} bytes of flash, {} of RAM and {:.3g} ms"
        raise DoesNotFit(
            f"no candidate meets the budget of {needs.format(*limits)}: the smallest, {least}, needs "
            f"{needs.format(*_costs(scores[least]))}",
            hint="raise what is too small in `budget`, or try smaller students.hidden",
        )
    return Candidate.parse(min(fitting, key=lambda name: scores[name]["val"]["mae"]))


def _limits(config: Config) -> tuple[int, int, float]:
    """The most flash and RAM in bytes and ms that a candidate may take: of the budget and of the board."""
    board = load_board(config.board)
    flash = min(config.budget.flash_bytes, board.sketch_flash_bytes or config.budget.flash_bytes)
    ram = min(config.budget.ram_bytes, board.ram_bytes or config.budget.ram_bytes)
    return flash, ram, config.budget.latency_ms


def _costs(score: dict[str, Any]) -> tuple[int, int, float]:
    """Flash and RAM in bytes and latency in ms of the native code; of the .tflite and its arena on a `host` board."""
    native = score.get("native")
    if native is None:
        return score["tflite_bytes"], score["arena_bytes"], 0.0
    return native["flash_bytes"], native["ram_bytes"], native["ms"]


def _compare(run: Run, config: Config, scores: Scores, prepared: Prepared, teacher: Population) -> list[dict[str, Any]]:
    """Networks that are not candidates: the best recurrent student without its recurrence, and DLNet."""
    recurrent = [name for name in scores if Candidate.parse(name).kind in ("liquid", "gru")]
    best = Candidate.parse(min(recurrent, key=lambda name: scores[name]["val"]["mae"])) if recurrent else None

    def build(folder: Path) -> None:
        write_json(folder / "rows.json", train.compare(config, best, prepared, teacher, run.progress.advance))

    key = [best.name if best else None, config.distill.stage1, _training(config)]
    steps = config.students.epochs * (3 if best else 2)
    found: list[dict[str, Any]] = read_json(
        run.piece("search/comparisons", key, build, steps=steps, needs=("data", "teacher")) / "rows.json"
    )
    return found


def _verify(run: Run, config: Config, scores: Scores, prepared: Prepared) -> dict[str, Any]:
    """Parity of every candidate on every validation and test window. Disagreement when an exact pair differs."""

    def build(folder: Path) -> None:
        found = {}
        for done, name in enumerate(scores, start=1):
            found[name] = deploy.check_parity(run.folder / "models" / name, prepared, load_board(config.board))
            run.progress.advance(done)
        write_json(folder / "parity.json", found)

    needs = ("data", *(f"models/{name}" for name in scores))
    parity: dict[str, Any] = read_json(
        run.piece("search/parity", config.board, build, steps=len(scores), needs=needs) / "parity.json"
    )
    for name, pairs in parity.items():
        deploy.require_parity(pairs, name)
    return parity


def _training(config: Config) -> list[Any]:
    """What every training depends on."""
    return [config.students.model_dump(exclude={"kinds", "hidden"}), config.search.seed]
