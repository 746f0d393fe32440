"""The templates of this folder."""

import functools
from pathlib import Path

import jinja2
from markupsafe import Markup

from edgekd.report import formatting, glossary
from edgekd.report.palette import DARK, LIGHT, kind_style, run_color


@functools.cache
def environment() -> jinja2.Environment:
    """Templates escape HTML, and a misspelt name is an error. All know `formatting`, `glossary` and the palette."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "formatting": formatting, "glossary": glossary.TERMS, "light": LIGHT, "dark": DARK,
        "kind_style": kind_style, "run_color": run_color,
    }  # fmt: skip
    return templates


def macro(template: str, name: str, *arguments: object) -> Markup:
    """What a macro of a template makes of its arguments."""
    return Markup(getattr(environment().get_template(template).module, name)(*arguments))
