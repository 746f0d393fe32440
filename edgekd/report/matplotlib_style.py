"""What static pictures share: their style, PNG and SVG files with equal bytes, and SVG inside a page.

Colors are those of `palette.LIGHT`. In a page they become variables of its style sheet, which knows dark screens and
print, and letters stay text in the page's font.
"""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from edgekd.report.palette import LIGHT

DPI = 150
SVG_DPI = 72  # one unit of an SVG by matplotlib is a point
PANEL_WIDTH, PANEL_HEIGHT = 420, 300  # of a drawing inside a page, units
PANEL_FONT = 11  # size of letters there, units
_VARIABLES = {color: f"var(--{name})" for name, color in reversed(list(LIGHT.items()))}
_COLOR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"^#|url\(#")
_DECIMALS = re.compile(r"-?\d+\.\d{2,}")
_FONT = re.compile(r"font-family: [^;]*; ?")
_NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")


def style() -> Any:
    """A context in which pictures do not depend on the user's own matplotlib settings."""
    from matplotlib import style as styles

    settings = {
        "font.family": "DejaVu Sans", "font.size": 10, "text.color": LIGHT["ink"], "text.parse_math": False,
        "axes.labelcolor": LIGHT["soft"], "axes.edgecolor": LIGHT["line"], "axes.linewidth": 1,
        "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.grid": True,
        "axes.axisbelow": True, "axes.facecolor": "none", "grid.color": LIGHT["grid"], "grid.linewidth": 1,
        "xtick.color": LIGHT["soft"], "ytick.color": LIGHT["soft"], "xtick.major.size": 0, "ytick.major.size": 0,
        "path.simplify": False, "svg.hashsalt": "edgekd",
    }  # fmt: skip
    return styles.context(["default", settings])


def panel(*, right: float = 12, width: int = PANEL_WIDTH, height: int = PANEL_HEIGHT) -> tuple[Any, Any]:
    """A figure for a page and its axes. right: units beside the axes, for labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / SVG_DPI, height / SVG_DPI), facecolor="none")
    left, bottom, top = 68, 50, 12
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
    axes.tick_params(labelsize=PANEL_FONT)
    axes.xaxis.label.set_fontsize(PANEL_FONT)
    axes.yaxis.label.set_fontsize(PANEL_FONT)
    return figure, axes


def files(name: str, figure: Any) -> dict[str, bytes]:
    """The picture as PNG and SVG, without date or version, so that equal drawings are equal files."""
    return {
        f"{name}.png": _saved(figure, format="png", metadata={"Software": None}),
        f"{name}.svg": _saved(figure, format="svg", metadata={"Date": None, "Creator": None}),
    }


def inline(figure: Any, name: str, *, alt: str, titles: Mapping[str, str] | None = None) -> Markup:
    """The picture as an <svg> element that takes the width of its place and the colors of its page.

    name: unique in the page; alt: what it shows, in words; titles: what pointing at an artist shows, by its gid.
    """
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        source = _saved(figure, format="svg", metadata={"Date": None, "Creator": None})
    svg = ElementTree.fromstring(source)
    for element in list(svg.iter()):
        for child in [child for child in element if child.tag.rpartition("}")[2] in ("metadata", "style")]:
            element.remove(child)
        element.tag = element.tag.rpartition("}")[2]
        title = (titles or {}).get(element.attrib.get("id", ""))
        if title:
            ElementTree.SubElement(element, "title").text = title
            element.insert(0, element[-1])
        element.attrib = _page_attributes(element, name)
        if element.tag not in ("text", "tspan", "title"):
            element.text = None
        element.tail = None
    svg.attrib = {"class": "chart", "viewBox": svg.attrib["viewBox"], "role": "img", "aria-label": alt}
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _page_attributes(element: ElementTree.Element, name: str) -> dict[str, str]:
    """Attributes without what only a file needs: names that nothing refers to, fonts, many decimals."""
    attributes: dict[str, str] = {}
    for key, value in element.attrib.items():
        key = key.rpartition("}")[2]
        if key == "id":
            if element.tag in ("path", "clipPath"):
                attributes[key] = f"{name}-{value}"
            continue
        value = _REFERENCE.sub(lambda match: f"{match[0]}{name}-", value)
        value = _COLOR.sub(lambda match: _VARIABLES.get(match[0], match[0]), value)
        value = _DECIMALS.sub(lambda match: f"{float(match[0]):.1f}", _FONT.sub("", value))
        value = " ".join(_NO_ROTATION.sub("", value).split())
        if value:
            attributes[key] = value
    return attributes


def _saved(figure: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, **options)
    return content.getvalue()
