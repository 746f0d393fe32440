"""Reports made up for tests, and what their pages say."""

import io
import json
import math
import random
from html.parser import HTMLParser
from typing import Any

from rich.console import Console

from edgekd.contracts.results import Report
from edgekd.report import report_page, tables

CELLS = [f"b{batch}c{cell}" for batch in (1, 2, 3) for cell in range(14)][:40]


def example(*, candidates: int = 16, native: bool = True, **changes: Any) -> dict[str, Any]:
    """A report with numbers as a run on Severson's cells gives them; `changes` replace parts of it."""
    rng = random.Random(0)
    found = [candidate(index, rng, native) for index in range(candidates)]
    points = [(one["val"]["mae"], one["tflite_bytes"]) for one in found]
    for one, point in zip(found, points, strict=True):
        one["on_front"] = not any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in points)
    best = min(found, key=lambda one: one["val"]["mae"])
    report = {
        "edgekd": "0.1.0", "name": "severson", "board": "nano33ble", "simulated": False, "unit": "", "divide_by": 1.1,
        "config": {"name": "severson", "data": {"table": "severson.csv.gz", "order": "cycle"}, "search": {"seed": 0}},
        "versions": {"edgekd": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
        "hashes": {"table": "ab" * 32, f"models/{best['name']}/cell.tflite": "cd" * 32},
        "target": "discharge_capacity_Ah", "window": 100, "horizon": 100,
        "task": {
            "kind": "forecast", "target": "discharge_capacity_Ah", "error_name": "MAE",
            "says": "the next 100 values of discharge_capacity_Ah",
        },
        "data": {
            "rows": 102_345, "ignored": 211, "groups": 124, "left_out": ["b2c7"], "unused": [],
            "problems": {"duplicate_order": 3, "gap_filled": 17, "short": 1},
            "parts": {
                "train": {"groups": 33, "samples": 25_600, "windows": 9_900, "usable_targets": 988_000, "names": []},
                "val": {"groups": 8, "samples": 6_100, "windows": 480, "usable_targets": 47_900, "names": []},
                "test": {"groups": 40, "samples": 31_000, "windows": 2_310, "usable_targets": 230_200, "names": CELLS},
            },
        },
        "baselines": {
            "persistence": {"val": score(0.0110), "test": score(0.0114), "options": {}},
            "line": {"val": score(0.0042), "test": score(0.0044), "options": {"length": 20.0}},
            "parabola": {"val": score(0.0034), "test": score(0.0035), "options": {"length": 100.0}},
            "ridge": {"val": score(0.0030), "test": score(0.0032), "options": {"length": 100.0, "penalty": 1.0}},
        },
        "teacher": {"kind": "gru", "hidden": 32, "members": 4, "val": score(0.00231), "test": score(0.00243)},
        "candidates": found,
        "excluded": [{"name": "liquid32_w4a16_s00", "reason": "no int4 weights with int16 activations"}],
        "ablations": [
            {
                "name": "gru16_w8a16_s00",
                "errors": {"nothing": [0.002, 0.003], "stage 2": [0.004, 0.006], "distillation": [0.003, 0.003]},
            }
        ],
        "comparisons": [
            {"name": "gru16 without recurrence", "val": {"mae": 0.00262}, "note": "its gates do not see its state"},
            {"name": "DLNet student", "val": {"mae": 0.00291}, "note": "its layers, losses and rate"},
        ],
        "chosen": chosen(best),
        "parity": {
            "twin_tflm": pair("twin", "tflm", equal=44_640, max_abs=0.0, tolerance=0.0),
            "twin_tflite": pair("twin", "tflite", equal=21_877, max_abs=0.0037, tolerance=None),
            "torch_onnx": pair("torch", "onnx", equal=44_640, max_abs=1.2e-7, tolerance=1e-5),
        },
        "budget": {"flash_bytes": 65_536, "ram_bytes": 16_384, "latency_ms": 50.0},
        "seconds": {"data": 2.4, "teacher": 212.0, "search/gru_stage1": 96.5, "models/a": 1.2, "models/b": 1.4},
    }  # fmt: skip
    return report | changes


def pair(first: str, second: str, **figures: Any) -> dict[str, Any]:
    return {"engines": [first, second], "windows": 44_640, **figures}


def parsed(reports: dict[str, dict[str, Any]]) -> dict[str, Report]:
    return {label: Report.parse(report) for label, report in reports.items()}


def score(mae: float) -> dict[str, Any]:
    return {"mae": mae, "interval": [0.9 * mae, 1.12 * mae]}


def candidate(index: int, rng: random.Random, native: bool) -> dict[str, Any]:
    kind, hidden = ("liquid", "gru", "mlp")[index % 3], (4, 8, 16, 32)[index // 3 % 4]
    bits, sparsity = (8, 16)[index % 2], (0.0, 0.5)[index // 6 % 2]
    mae = round(0.0024 + 0.0005 / math.sqrt(hidden) + 0.0003 * rng.random(), 7)
    size = 2_900 + 200 * hidden + 900 * (kind == "gru") + rng.randrange(1_200)
    cost = {
        "flash_bytes": size + 3_900, "ram_bytes": 420 + 9 * hidden, "stack_bytes": 136, "instructions": 1_900 * hidden,
        "cycles": 2_300 * hidden, "ms": 2.3 * hidden / 64, "energy_uj": 0.4 * hidden, "board": "nano33ble",
        "compiler": "arm-none-eabi-gcc 12.2.1 -O2",
    }  # fmt: skip
    return {
        "name": f"{kind}{hidden}_w8a{bits}_s{round(100 * sparsity):02d}" + ("" if index < 12 else f"_{index}"),
        "kind": kind, "hidden": hidden, "sparsity": sparsity, "weight_bits": 8, "activation_bits": bits,
        "params": 60 * hidden, "macs": 1_100 * hidden, "tflite_bytes": size, "arena_bytes": 2_400 + 40 * hidden,
        "stage1": {"val": {"mae": mae * 0.97}}, "float": {"val": {"mae": mae * 0.99}}, "val": score(mae),
        "on_front": False, "meets_budget": True, "measured": cost if native else None,
    }  # fmt: skip


def chosen(best: dict[str, Any]) -> dict[str, Any]:
    life = range(1, 1_001)
    measured = [None if at % 97 == 0 else 1.05 - 1e-4 * at - 0.12 * (at / 1000) ** 8 for at in life]
    windows = [
        {"order": list(range(at, at + 100)), "forecast": [1.05 - 1e-4 * (at + t) for t in range(100)]}
        for at in (150, 400, 650, 880)
    ]
    drawn = [
        {"label": label, "group": group, "error": mae, "order": list(life), "measured": measured, "windows": windows}
        for label, group, mae in (("good", "b1c4", 0.0011), ("median", "b2c1", 0.0023), ("worst", "b3c9", 0.0081))
    ]
    steps = range(1, 101)
    return {
        "name": best["name"], "params": best["params"], "macs": best["macs"], "val": best["val"],
        "test": score(0.00258), "stage1_test_error": 0.00249,
        "float_test_error": 0.00255, "teacher_test_error": 0.00243, "tflite_bytes": best["tflite_bytes"],
        "arena_bytes": best["arena_bytes"], "measured": best["measured"],
        "by_horizon": {"val": [4e-5 * h + 4e-4 for h in steps], "test": [None, *(4e-5 * h + 5e-4 for h in steps[1:])]},
        "baseline_by_horizon": {"name": "ridge", "test": [5.5e-5 * h + 4e-4 for h in steps]},
        "by_group": {cell: {"error": 0.0011 + 0.0003 * i**1.1 / 2, "windows": 40 + i} for i, cell in enumerate(CELLS)},
        "forecasts": drawn,
    }  # fmt: skip


def of_one_value(**task: Any) -> dict[str, Any]:
    """A report of a task that gives one value: truth and answers along groups, errors by level and slice."""
    report = example(horizon=1, divide_by=1.0, **({"unit": "samples"} if task["kind"] == "remaining" else {}))
    report["task"] = task | {"error_name": "MAE"}
    report["target"] = task["target"]
    one = {"by_horizon": {"val": [0.01], "test": [0.012]}, "baseline_by_horizon": {"name": "ridge", "test": [0.02]}}
    order = list(range(300, 3_300, 30))
    truth = [1 - at / 3_600 for at in order]
    report["chosen"] |= one | {
        "forecasts": [],
        "answers": [
            {
                "label": label,
                "series": series,
                "error": error,
                "order": order,
                "truth": truth,
                "answer": [value + error * (-1) ** i for i, value in enumerate(truth)],
            }
            for label, series, error in (("good", "b1c4", 0.004), ("median", "b2c1", 0.011), ("worst", "b3c9", 0.031))
        ],
        "levels": [{"low": i / 8, "high": (i + 1) / 8, "error": 0.03 - 0.003 * i, "windows": 30 + i} for i in range(8)],
        "pairs": [[value, value + 0.02 * (-1) ** i] for i, value in enumerate(truth)],
    }
    slices = {"ambient_C": {"-20": 0.031, "0": 0.02, "25": 0.008}}
    report["chosen"]["test"] |= {"rmse": 0.02, "bias": -0.003, "slices": slices, "bounded": 0.4, "mape": 12.5}
    report["baselines"]["ridge"]["test"] |= {"slices": {"ambient_C": {"-20": 0.05, "25": 0.012}}}
    return report


def estimated() -> dict[str, Any]:
    return of_one_value(kind="estimate", target="soc", says="soc at the end of the window")


def life() -> dict[str, Any]:
    says = "the samples left until q_Ah stays below 0.88"
    return of_one_value(kind="remaining", target="q_Ah", says=says)


CLASSES = ["squat", "jumping_jack", "row", "rest"]


def classified() -> dict[str, Any]:
    """A report of a task about classes."""
    report = json.loads(json.dumps(example(horizon=1, divide_by=1.0)), object_hook=_as_accuracy)
    report["task"] = {
        "kind": "classify", "target": "exercise", "says": "exercise", "classes": CLASSES, "error_name": "error rate",
    }  # fmt: skip
    report["target"] = "exercise"
    one = {"by_horizon": {"val": [0.1], "test": [0.12]}, "baseline_by_horizon": {"name": "forest", "test": [0.15]}}
    report["chosen"] |= one | {
        "forecasts": [],
        "hardest": [
            {
                "series": f"subject{i}", "order": 50 * i, "truth": CLASSES[i % 4], "answer": CLASSES[(i + 1) % 4],
                "probability": 0.99 - 0.05 * i,
                "samples": {f"a{axis}": [math.sin(t / (3 + i) + axis) for t in range(100)] for axis in range(3)},
            }
            for i in range(6)
        ],
    }  # fmt: skip
    report["chosen"]["test"] |= {
        "balanced_accuracy": 0.9,
        "macro_f1": 0.91,
        "ece": 0.03,
        "smoothed": 0.96,
        "recalls": {"squat": 0.95, "jumping_jack": 0.9, "row": 0.8},
        "confusion": [[95, 5, 0, 0], [4, 90, 6, 0], [10, 10, 80, 0], [0, 0, 0, 0]],
        "slices": {"side": {"left": 0.05, "right": 0.1}},
    }
    return dict(report)


def _as_accuracy(value: dict[str, Any]) -> dict[str, Any]:
    """Scores of values as scores of classes: an error of 0.00258 becomes one of 8 %."""
    if "mae" not in value:
        return value
    known = {"accuracy": 1 - 30 * value["mae"]}
    return known | ({"interval": [30 * end for end in value["interval"]]} if "interval" in value else {})


class Page(HTMLParser):
    """Text and tags of a page; refuses tags that are not closed."""

    VOID = ("meta", "link", "br")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(report: dict[str, Any]) -> Page:
    return Page(report_page.render(Report.parse(report)))


def printed(report: dict[str, Any], width: int = 100) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width)
    for one in tables(Report.parse(report)):
        console.print(one)
    return file.getvalue()


def searched(**changes: Any) -> dict[str, Any]:
    """A report with all that a search writes down: generations, seconds, parameters, the board's limits."""
    report = example(**changes)
    rng = random.Random(1)
    for index, one in enumerate(report["candidates"]):
        one |= {"generation": index // 4, "seconds": 2.5 * index + 1, "block_sparsity": 0.0}
        one["parameters"] = {"kind": one["kind"], "hidden": one["hidden"], "rank": 8, "target_weight": rng.random()}
        if one["kind"] == "liquid":
            one["parameters"]["euler_steps"] = rng.choice([1, 2])
        if one["on_front"]:
            one["test"] = {"mae": 0.00267}
    report["budget"] = {"flash_bytes": 12_000, "ram_bytes": 900, "latency_ms": 1.3}
    report["limits"] = {"flash_bytes": 13_000, "ram_bytes": 262_144}
    return report
