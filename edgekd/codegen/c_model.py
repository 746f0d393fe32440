"""A deployed model as plain C: raw samples in, forecasts in physical units out, with its graphs from `native`."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgekd import __version__
from edgekd.codegen.c_graph import Code, firmware_file, generate_together
from edgekd.codegen.c_names import model_name
from edgekd.codegen.constants import network_values, preprocess_values
from edgekd.codegen.write import render
from edgekd.program.package import Deployed
from edgekd.program.reader import read_tflite

FIRMWARE = (
    "edgekd_float.h",
    "edgekd_quantize.h",
    "edgekd_status.h",
    "edgekd_window.h",
    "edgekd_quantize.c",
    "edgekd_window.c",
)
"""Files of firmware/ that every model needs."""
PROBABILITIES = ("edgekd_probabilities.h", "edgekd_probabilities.c")
"""And those that one of classes needs."""


@dataclass(frozen=True, kw_only=True)
class ModelCode:
    """Generated C of a deployed model. `files`: name -> text; `graphs`: the code of cell and head, in order."""

    name: str
    files: Mapping[str, str | bytes]
    graphs: Mapping[str, Code]
    macs: int
    """Multiply-adds of one forecast."""
    memory: str
    """A source with the variables `edgekd_state` and `edgekd_forecast`, for images that are measured."""

    @property
    def sources(self) -> list[str]:
        """Names of the C files to compile."""
        return [name for name in self.files if name.endswith(".c")]


def generate_model(model: Deployed) -> ModelCode:
    """Generate the C of a model, whose functions are DESIGN's <name>_init, _push and _predict.

    Raises ModelError for an operator or type that has no kernel.
    """
    name = model_name(model.name)
    programs = {graph: read_tflite(content) for graph, content in model.graphs().items()}
    together = {f"{name}_{graph}": program for graph, program in programs.items()}
    codes = generate_together(together, padded=True, grids=False)
    graphs = dict(zip(programs, codes.values(), strict=True))
    network = network_values(programs)
    first = next(iter(graphs.values()))
    macs = sum(code.macs * (model.steps if graph == "cell" else 1) for graph, code in graphs.items())
    values = {
        "version": __version__,
        "name": name,
        "candidate": model.candidate,
        "recurrent": model.cell is not None,
        "graphs": list(graphs),
        "macs": macs,
        "x_padded": _padded(first.inputs[0].shape[-1]),
        "state_padded": _padded(network["state"]),
    }
    values |= network | preprocess_values(model)
    files: dict[str, str | bytes] = {
        f"{name}.h": render("native_model.h.j2", **values),
        f"{name}.c": render("native_model.c.j2", **values),
    }
    carried = FIRMWARE + (PROBABILITIES if values["answer"] == "probabilities" else ())
    files |= {file: firmware_file(file) for file in carried}
    for code in graphs.values():
        files |= code.files
    memory = [
        {"c_type": f"{name}_state", "name": "edgekd_state", "size": ""},
        {"c_type": "float", "name": "edgekd_forecast", "size": f"[{network['outputs']}]"},
    ]
    text = render("native_memory.c.j2", name=name, version=__version__, memory=memory)
    return ModelCode(name=name, files=files, graphs=graphs, macs=macs, memory=text)


def _padded(count: int) -> int:
    """Elements up to which kernels may read."""
    return -(-count // 4) * 4
