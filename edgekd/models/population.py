"""P members of one kind as one tensor program: weights carry a leading axis P, so a generation trains as one batch.

Each member has its own seed, width and (later) pruned units. The parameters of units that do not exist are masked,
which holds their state at zero: a member's result does not depend on who else is in the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from edgekd.models.fake_quant import FakeQuantizer
from edgekd.models.onnx_graph import state_head

Params = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What all members share: N patches of F columns in, O values out, and R, the highest rank of a head (0: full).

    euler_steps: Euler steps of a liquid cell per patch. Without `feedback` the gates of a recurrent cell do not see its
    state: an ablation.
    """

    patches: int
    columns: int
    outputs: int
    rank: int
    euler_steps: int = 1
    feedback: bool = True


class Population(nn.Module):
    """What every kind shares: stacked parameters, the mask of live units, and the head.

    A kind gives `unit_axes` (per parameter, the axes that run over hidden units, P not counted), `member` (the
    parameters of one member at its own width), `states`, its graph (`cell_graph` of a recurrent kind, `head_graph` of a
    feed-forward one) and `graph_ranges` (values of that graph -> the name of the range they were trained under). Input
    features per step are the F relative ones and the F levels, I = 2F; a feed-forward kind sees all at once,
    I = N*F + F.
    """

    kind: str
    recurrent: bool
    unit_axes: dict[str, tuple[int, ...]]
    graph_ranges: Mapping[str, str] = {}

    unit_mask: Tensor
    rank_mask: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        seeds: Sequence[int],
        shape: Shape,
        *,
        ranks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.widths, self.seeds, self.shape = tuple(widths), tuple(seeds), shape
        self.ranks = tuple(ranks or [shape.rank] * len(self.widths))
        self.weight_mask: dict[str, Tensor] = {}
        members = [
            self._padded(self._seeded(width, seed, rank), width, rank)
            for width, seed, rank in zip(self.widths, self.seeds, self.ranks, strict=True)
        ]
        for name in members[0]:
            self.register_parameter(name, nn.Parameter(torch.stack([member[name] for member in members])))
        self.register_buffer("unit_mask", _first(self.widths, max(self.widths)))
        self.register_buffer("rank_mask", _first(self.ranks, shape.rank), persistent=False)

    @property
    def size(self) -> int:
        """P, the number of members."""
        return len(self.widths)

    @property
    def features(self) -> int:
        """I, the number of inputs of one step (recurrent) or of the whole window (feed-forward)."""
        shape = self.shape
        return 2 * shape.columns if self.recurrent else shape.patches * shape.columns + shape.columns

    def member(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Fresh parameters of one member, without the leading axis."""
        raise NotImplementedError

    def states(self, params: Params, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> list[Tensor]:
        """The hidden state [P, B, H] after each step; a feed-forward kind has one."""
        raise NotImplementedError

    def forward(self, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> tuple[Tensor, list[Tensor]]:
        """Rel [B, N, F], level [B, F] -> forecasts [P, B, O] and the states."""
        params = self.masked()
        states = self.states(params, relative, level, quantizer)
        return self._head(params, states[-1], quantizer), states

    def head(self, state: Tensor, quantizer: FakeQuantizer) -> Tensor:
        """Outputs [P, B, O] for last states [P, B, H]."""
        return self._head(self.masked(), state, quantizer)

    def masked(self) -> dict[str, Tensor]:
        """The parameters, zero where they belong to a unit or a rank that does not exist, or to a pruned block."""
        params: dict[str, Tensor] = {}
        for name, parameter in self.named_parameters():
            value: Tensor = parameter
            axes = self.axes(name)
            for axis in axes:
                value = value * _along(_unit_mask(self.unit_mask, value.shape[axis + 1]), axis, value.dim())
            if name in self.rank_axes and self.mixed_ranks:
                value = value * _along(self.rank_mask, self.rank_axes[name], value.dim())
            if name in self.weight_mask:
                value = value * self.weight_mask[name]
            if self.recurrent and not self.shape.feedback and axes == (0, 1):
                value = torch.cat([value[..., : self.features], torch.zeros_like(value[..., self.features :])], -1)
            params[name] = value
        return params

    def extract(self, index: int) -> dict[str, Tensor]:
        """One member's parameters, live units only, without the leading axis: the matrices that are exported."""
        return {name: self.compact(name, value.detach()[index], index).clone() for name, value in self.masked().items()}

    def compact(self, name: str, value: Tensor, index: int) -> Tensor:
        """The entries of a parameter that member `index` has; `value` is without the leading axis."""
        for axis, kept in self.places(name, value, index).items():
            value = value.index_select(axis, kept)
        return value

    def places(self, name: str, value: Tensor, index: int) -> dict[int, Tensor]:
        """By axis of a parameter (P not counted), the places that member `index` has; other axes it has whole."""
        keep = torch.nonzero(self.unit_mask[index]).flatten()
        places = {}
        for axis in self.axes(name):
            before = value.shape[axis] - self.unit_mask.shape[1]  # a matrix over [inputs, units] keeps its inputs
            places[axis] = torch.cat([torch.arange(before, device=keep.device), before + keep])
        if name in self.rank_axes:
            places[self.rank_axes[name]] = torch.arange(self.ranks[index], device=keep.device)
        return places

    def graphs(self, index: int) -> dict[str, onnx.ModelProto]:
        """The ONNX graphs of one member, without its pruned units: `cell` (recurrent kinds) and `head`."""
        params = self.extract(index)
        if not self.recurrent:
            return {"head": self.head_graph(params)}
        units = len(self.unit_mask[index].nonzero())
        return {"cell": self.cell_graph(params), "head": state_head(params, units)}

    def cell_graph(self, params: Params) -> onnx.ModelProto:
        """One step of a recurrent kind: x [1, I], h [1, H] -> next [1, H]; params are those of `extract`."""
        raise NotImplementedError

    def head_graph(self, params: Params) -> onnx.ModelProto:
        """The whole network of a feed-forward kind: input [1, I] -> y [1, O]; params are those of `extract`."""
        raise NotImplementedError

    def costs(self, index: int) -> dict[str, int]:
        """Parameters of one member, and multiply-adds of the matrix products of one output."""
        params = self.extract(index)
        macs = sum(value.numel() * self.weight_uses(name) for name, value in params.items() if name.endswith("_weight"))
        return {"params": sum(value.numel() for value in params.values()), "macs": macs}

    def weight_uses(self, name: str) -> int:
        """How often a matrix is multiplied with for one output."""
        in_head = name in ("down_weight", "out_weight")
        return 1 if in_head or not self.recurrent else self.shape.patches * self.shape.euler_steps

    @property
    def rank_axes(self) -> dict[str, int]:
        """The axes that run over the rank of the head, the leading P not counted."""
        return {"down_weight": 0, "out_weight": 1} if self.shape.rank else {}

    @property
    def mixed_ranks(self) -> bool:
        """Whether some member's head has fewer values than R."""
        return min(self.ranks) < self.shape.rank

    def _padded(self, params: Params, width: int, rank: int) -> dict[str, Tensor]:
        """The parameters of one member with zeros for the units and ranks that only others have."""
        more, deeper = max(self.widths) - width, self.shape.rank - rank
        padded = {name: _pad(value, self.axes(name), more) for name, value in params.items()}
        return padded | {name: _pad(padded[name], (axis,), deeper) for name, axis in self.rank_axes.items()}

    def _seeded(self, width: int, seed: int, rank: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        params = self.member(width, generator)
        outputs = self.shape.outputs
        inner = rank or width
        if rank:
            params["down_weight"] = uniform((rank, width), width, generator)
        params["out_weight"] = uniform((outputs, inner), inner, generator)
        params["out_bias"] = torch.zeros(outputs)
        return params

    def axes(self, name: str) -> tuple[int, ...]:
        """The axes of a parameter that run over hidden units, the leading P not counted."""
        if name == ("down_weight" if self.shape.rank else "out_weight"):
            return (1,)
        return self.unit_axes.get(name, ())

    def _head(self, params: Params, h: Tensor, quantizer: FakeQuantizer) -> Tensor:
        if self.shape.rank:
            # No bias: what follows is linear, and the converter would fold it away from under the recorded range.
            h = quantizer("head.code", torch.matmul(h, quantizer.weight(params["down_weight"]).transpose(1, 2)))
        return quantizer("head.y", linear(h, quantizer.weight(params["out_weight"]), params["out_bias"]))


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """X [P, B, I], weight [P, O, I], bias [P, O] -> [P, B, O]."""
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    """Uniform in +-1/sqrt(fan_in), the usual start of a linear layer."""
    return (2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5


def steps(population: Population, relative: Tensor, level: Tensor, quantizer: FakeQuantizer) -> Tensor:
    """The inputs of all steps on the grid they share with the state: [P, N, B, 2F]."""
    patches = relative.shape[1]
    x = torch.cat([relative.transpose(0, 1), level.expand(patches, -1, -1)], dim=2)
    return quantizer("state", x.expand(population.size, -1, -1, -1))


def _unit_mask(unit_mask: Tensor, length: int) -> Tensor:
    """[P, length]: ones for leading inputs, then the units."""
    return torch.nn.functional.pad(unit_mask, (length - unit_mask.shape[1], 0), value=1.0)


def _first(counts: Sequence[int], length: int) -> Tensor:
    """[P, length]: ones in the first counts[p] places of row p."""
    return (torch.arange(length) < torch.tensor(list(counts)).unsqueeze(1)).float()


def _along(mask: Tensor, axis: int, dims: int) -> Tensor:
    """A mask [P, L] shaped to multiply a parameter of `dims` axes along one of them, the leading P not counted."""
    shape = [len(mask)] + [1] * (dims - 1)
    shape[axis + 1] = -1
    return mask.view(shape)


def _pad(value: Tensor, axes: tuple[int, ...], missing: int) -> Tensor:
    """Append `missing` zero units along the unit axes."""
    pads = [0, 0] * value.dim()
    for axis in axes:
        pads[2 * (value.dim() - 1 - axis) + 1] = missing
    return torch.nn.functional.pad(value, pads)
