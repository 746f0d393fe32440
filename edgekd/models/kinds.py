"""The kinds of network by name, and populations on disk."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from edgekd.contracts.declarations import model_kinds
from edgekd.models.population import Population, Shape


def _network(kind: str) -> type[Population]:
    """The class of a kind in its module."""
    classes = [
        value
        for value in vars(importlib.import_module(f"edgekd.models.{kind}")).values()
        if isinstance(value, type) and issubclass(value, Population) and value is not Population
    ]
    return classes[0]


KINDS: dict[str, type[Population]] = {kind: _network(kind) for kind in model_kinds()}


def build(
    kind: str,
    widths: Sequence[int],
    seeds: Sequence[int],
    shape: Shape,
    *,
    ranks: Sequence[int] | None = None,
) -> Population:
    """A fresh population of one kind, member p with widths[p] units and started from seeds[p].

    ranks[p] values between its state and its forecast (default: those of `shape`).
    """
    return KINDS[kind](widths, seeds, shape, ranks=ranks)


def save(population: Population, path: Path) -> None:
    """Weights and live units, as safetensors; the weights of pruned blocks are zero."""
    state = population.state_dict() | {name: value.detach() for name, value in population.masked().items()}
    save_file({name: value.contiguous().cpu() for name, value in state.items()}, path)


def load(population: Population, path: Path) -> Population:
    """Fill a population of the same make with saved weights."""
    with safe_open(path, framework="pt") as tensors:
        population.load_state_dict({name: tensors.get_tensor(name) for name in tensors.keys()})  # noqa: SIM118
    return population


@torch.no_grad()
def select(population: Population, members: Sequence[int]) -> Population:
    """A new population of the given members, copied; one may be taken several times."""
    rows = torch.tensor(list(members), device=population.unit_mask.device)
    chosen = build(
        population.kind,
        [population.widths[m] for m in members],
        [population.seeds[m] for m in members],
        population.shape,
        ranks=[population.ranks[m] for m in members],
    ).to(rows.device)
    width = chosen.unit_mask.shape[1]
    state = {name: _narrow(population, name, value, width)[rows] for name, value in population.state_dict().items()}
    chosen.load_state_dict(state)
    for name, kept in population.weight_mask.items():
        chosen.weight_mask[name] = _narrow(population, name, kept, width)[rows]
    return chosen


def _narrow(population: Population, name: str, value: torch.Tensor, width: int) -> torch.Tensor:
    """Cut the padding of units that none of the chosen members has."""
    units = population.unit_mask.shape[1]
    axes = (0,) if name == "unit_mask" else population.axes(name)
    for axis in axes:
        value = value.narrow(axis + 1, 0, value.shape[axis + 1] - units + width)
    return value
