"""Fake quantization on the integer grid of the export, per member of a population.

A tensor of the exported graph is named where it is computed: `quantizer("cell.pre", t)`. One `FakeQuantizer` sees every
such tensor and, by its mode, passes it through, records its range, or rounds it to the grid of the exported graph.
Tensors that must share a scale (a concatenation and its parts, the state before and after a step) carry the same name.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# TFLite fixes the output scale of these two: LOGISTIC 1/256 from -128 (int8) or 1/32768 (int16), TANH 1/128 or 1/32768.
FIXED_OUTPUT_RANGES = {"logistic": (0.0, 1.0), "tanh": (-1.0, 1.0)}


@dataclass(frozen=True)
class QuantParams:
    """scale [P] and the clamps [P] of (integer - zero_point): value = scale * clamp(round(real / scale), low, high)."""

    scale: Tensor
    low: Tensor
    high: Tensor


def activation_grid(low: Tensor, high: Tensor, bits: Tensor) -> QuantParams:
    """The grid for real ranges [low, high] (each [P]) and bits [P] in {8, 16}.

    8 bits: asymmetric, 255 steps, the range is widened to hold zero. 16 bits: symmetric around 0, zero point 0.
    """
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)  # float32 throughout, as ai-edge-quantizer computes it
    scale8 = (high - low).clamp(min=1e-9) / 255
    scale16 = torch.maximum(-low, high).clamp(min=1e-9) / 32767
    wide = bits == 16
    zero_point = torch.where(wide, torch.zeros_like(low), torch.round(-128 - low / scale8))
    first, last = torch.where(wide, -32768.0, -128.0), torch.where(wide, 32767.0, 127.0)
    return QuantParams(torch.where(wide, scale16, scale8), first - zero_point, last - zero_point)


def weight_scale(weight: Tensor, bits: Tensor) -> Tensor:
    """Symmetric scale of each output channel, or with 4 bits of the whole matrix, as TFLite-Micro's product takes them:
    weight [P, O, I], bits [P] -> [P, O, 1].
    """
    top = (2.0 ** (bits - 1) - 1).view(-1, 1, 1)
    largest = weight.detach().abs().amax(dim=2, keepdim=True)
    largest = torch.where((bits == 4).view(-1, 1, 1), largest.amax(dim=1, keepdim=True), largest)
    return largest.clamp(min=1e-9) / top


class _RoundToGrid(torch.autograd.Function):
    """Rounding with the straight-through gradient: 1 inside the clamps, 0 outside. Few passes: it is slow."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, low: Tensor, high: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        clamped = torch.clamp(x, low * scale, high * scale)
        ctx.save_for_backward(clamped == x)
        return clamped.div_(scale).round_().mul_(scale)

    @staticmethod
    def backward(ctx, *grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        (inside,) = ctx.saved_tensors
        return grad[0] * inside, None, None, None


class _RoundUnit(torch.autograd.Function):
    """The same for what is inside the clamps by its nature, but for the last step: the gradient is 1."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, low: Tensor, high: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        return torch.clamp(x, low * scale, high * scale).div_(scale).round_().mul_(scale)

    @staticmethod
    def backward(ctx, *grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        return grad[0], None, None, None


class FakeQuantizer:
    """What happens to the named tensors of a population: mode is "off", "observe" or "quantize".

    weight_bits and activation_bits are [P]. `ranges[name]` is (low [P], high [P]) in real units.
    """

    def __init__(self, weight_bits: Tensor, activation_bits: Tensor) -> None:
        self.weight_bits, self.activation_bits = weight_bits, activation_bits
        self.mode = "off"
        self.ranges: dict[str, tuple[Tensor, Tensor]] = {}
        self.observed: Tensor | None = None
        """Members [P] whose ranges are recorded while observing: all when None."""
        self._grids: dict[str, QuantParams] = {}

    @staticmethod
    def off(size: int = 1) -> "FakeQuantizer":
        """A quantizer that changes nothing."""
        bits = torch.full((size,), 8)
        return FakeQuantizer(bits, bits)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """X [P, ...] under the range called `name`; the names of FIXED_OUTPUT_RANGES have TFLite's fixed range."""
        if self.mode == "off":
            return x
        if self.mode == "observe":
            self._observe(name, x)
            return x
        grid = self._grid(name)
        if name in FIXED_OUTPUT_RANGES:
            rounded: Tensor = _RoundUnit.apply(x, *_shaped(grid, x))
            return rounded
        return self._round(x, grid)

    def halves(self, first: str, second: str, x: Tensor) -> Tensor:
        """X [P, B, 2 H], each half of its columns under a range of its own."""
        half = x.shape[-1] // 2
        if self.mode == "observe":
            self._observe(first, x[..., :half])
            self._observe(second, x[..., half:])
        if self.mode != "quantize":
            return x
        key = f"{first}|{second}|{half}"
        if key not in self._grids:
            grids = (self._grid(first), self._grid(second))
            sides = zip(*((g.scale, g.low, g.high) for g in grids), strict=True)
            self._grids[key] = QuantParams(
                *(torch.stack(side, 1).repeat_interleave(half, 1).unsqueeze(1) for side in sides)
            )
        grid = self._grids[key]
        rounded: Tensor = _RoundToGrid.apply(x, grid.scale, grid.low, grid.high)
        return rounded

    def weight(self, x: Tensor) -> Tensor:
        """X [P, O, I], rounded on the grid of `weight_scale`."""
        if self.mode != "quantize":
            return x
        top = (2.0 ** (self.weight_bits - 1) - 1).view(-1, 1, 1)
        rounded: Tensor = _RoundToGrid.apply(x, weight_scale(x, self.weight_bits), -top, top)
        return rounded

    def constant(self, x: Tensor) -> Tensor:
        """X [P, H], a constant operand of an element-wise operator: quantized as a tensor of its own."""
        if self.mode != "quantize":
            return x
        flat = x.detach()
        return self._round(x, activation_grid(flat.amin(1), flat.amax(1), self.activation_bits))

    def freeze(self) -> None:
        """Turn the observed ranges into grids and round from now on."""
        self._grids = {}
        self.mode = "quantize"

    def observe(self) -> None:
        """Forget the ranges and record them anew."""
        self.ranges, self.observed, self.mode = {}, None, "observe"

    def _observe(self, name: str, x: Tensor) -> None:
        flat = x.detach().flatten(1)
        low, high = flat.amin(1), flat.amax(1)
        if self.observed is not None:
            low = torch.where(self.observed, low, torch.inf)
            high = torch.where(self.observed, high, -torch.inf)
        if name in self.ranges:
            low, high = torch.minimum(low, self.ranges[name][0]), torch.maximum(high, self.ranges[name][1])
        self.ranges[name] = (low, high)

    def _grid(self, name: str) -> QuantParams:
        if name not in self._grids:
            self._grids[name] = (
                self._unit_grid(name)
                if name in FIXED_OUTPUT_RANGES
                else activation_grid(*self.ranges[name], self.activation_bits)
            )
        return self._grids[name]

    def _unit_grid(self, name: str) -> QuantParams:
        low, _ = FIXED_OUTPUT_RANGES[name]
        wide = self.activation_bits == 16
        steps8, first8 = (256, 0) if low == 0.0 else (128, -128)
        scale = torch.where(wide, 1 / 32768, 1 / steps8)
        first = torch.where(wide, -32768, first8).float()
        return QuantParams(scale, first, torch.where(wide, 32767, first8 + 255).float())

    @staticmethod
    def _round(x: Tensor, grid: QuantParams) -> Tensor:
        rounded: Tensor = _RoundToGrid.apply(x, *_shaped(grid, x))
        return rounded


def _shaped(grid: QuantParams, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A grid's scale, low and high, each [P, 1, ...] with as many axes as x."""
    shape = (-1,) + (1,) * (x.dim() - 1)
    return grid.scale.view(shape), grid.low.view(shape), grid.high.view(shape)
