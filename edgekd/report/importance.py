"""What a search set, and how much of the differences between its candidates each of these parameters explains."""

from collections.abc import Sequence

from edgekd.contracts.results import ReportedCandidate

MOST_LEVELS = 6  # of a parameter; one with more distinct numbers is cut into that many groups of equal size
Value = str | float


def parameters(candidates: Sequence[ReportedCandidate]) -> dict[str, list[Value | None]]:
    """The values of each parameter that differs between candidates, in their order; None where one does not have it."""
    settings = [candidate.parameters or _from_fields(candidate) for candidate in candidates]
    names = sorted({name for setting in settings for name in setting}, key=_rank)
    by_name = {name: [setting.get(name) for setting in settings] for name in names}
    return {
        name: values for name, values in by_name.items() if len({value for value in values if value is not None}) > 1
    }


def importance(candidates: Sequence[ReportedCandidate], objective: Sequence[float]) -> dict[str, float]:
    """The share of an objective's differences that each parameter explains by itself, 0 to 1, the largest first.

    The candidates are grouped by the parameter's value and the objective is replaced by its rank, so that one bad
    candidate does not decide: eta squared of Kruskal and Wallis' test, corrected for chance (Tomczak and Tomczak 2014),
    1 - (sum of squares within the groups / (n - k)) / (sum of squares of all / (n - 1)) for n candidates in k groups;
    0 where it is negative. Candidates without the parameter are left out. Shares need not add up to 1: a search does
    not try all combinations, so parameters that were set together share what they explain.
    """
    shares = {}
    for name, values in parameters(candidates).items():
        known = [(value, error) for value, error in zip(values, objective, strict=True) if value is not None]
        groups = _levels([value for value, _ in known])
        shares[name] = _explained(groups, _ranks([error for _, error in known]))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _from_fields(candidate: ReportedCandidate) -> dict[str, Value]:
    """What a report says that does not list parameters."""
    names = ("kind", "hidden", "weight_bits", "activation_bits", "sparsity", "block_sparsity")
    return {name: getattr(candidate, name) for name in names}


def _rank(name: str) -> tuple[int, str]:
    """The kind first, then the network, then how it was made small, then the rest by name."""
    order = ("kind", "hidden", "rank", "patch", "euler_steps", "sparsity", "block_sparsity", "weight_bits",
             "activation_bits")  # fmt: skip
    return (order.index(name) if name in order else len(order)), name


def _levels(values: Sequence[Value]) -> list[Value]:
    """The values themselves, or for many distinct numbers the group of equal size that each falls into."""
    distinct = set(values)
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(distinct) <= MOST_LEVELS or len(numbers) < len(values):
        return list(values)
    return [int(MOST_LEVELS * (rank - 0.5) / len(numbers)) for rank in _ranks(numbers)]


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    count: dict[float, int] = {}
    for at, value in enumerate(ordered, start=1):
        first.setdefault(value, at)
        count[value] = count.get(value, 0) + 1
    return [first[value] + (count[value] - 1) / 2 for value in values]


def _explained(groups: Sequence[Value], ranks: Sequence[float]) -> float:
    members: dict[Value, list[float]] = {}
    for group, rank in zip(groups, ranks, strict=True):
        members.setdefault(group, []).append(rank)
    n, k = len(ranks), len(members)
    total = _squares(ranks)
    if total == 0 or n == k:
        return 0.0
    within = sum(_squares(group) for group in members.values())
    return max(0.0, 1 - (within / (n - k)) / (total / (n - 1)))


def _squares(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)
