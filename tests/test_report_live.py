"""The page of live forecasts: what is on it, how often it is written, and that a browser shows it alone."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from browser import Browser

from edgekd.report.live_page import DRAWN, KEPT, LivePage
from edgekd.report.matplotlib_style import PANEL_WIDTH


def page_of(file: Path, count: int, length: int = 20) -> LivePage:
    page = LivePage(file=file, title="battery", about=("gru16_w8a16_s50", "/dev/pts/3"), unit="Ah", order_name="cycle")
    for n in range(count):
        page.hear([1.1 - 0.001 * (n + i) for i in range(length)], "")
    return page


def test_the_latest_forecast_is_in_the_tiles_and_drawn_from_its_number_on(tmp_path: Path) -> None:
    page = page_of(tmp_path / "live.html", 30)
    text = page.render()
    assert ">1.071<" in text and ">1.052<" in text and ">30<" in text and "20 cycles ahead" in text
    lines = dict(lines_of(page))
    assert list(lines)[:2] == ["forecast 1", "forecast 4"] and list(lines)[-1] == "forecast 30"
    assert lines["forecast 30"].count("L") == 19
    assert len(lines) <= DRAWN + 3
    across = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", lines["forecast 30"])]
    assert 68 < across[0] < across[-1] < PANEL_WIDTH
    assert across[0] > float(re.findall(r"[ML] ([\d.]+) ", lines["forecast 1"])[-1])


def lines_of(page: LivePage) -> list[tuple[str, str]]:
    """Title and path of each forecast that is drawn whole."""
    groups = [group for group in ElementTree.fromstring(page.chart()).iter("g") if group.find("title") is not None]
    return [(str(group.findtext("title")), next(group.iter("path")).attrib["d"]) for group in groups]


def test_a_single_forecast_of_equal_values_can_be_drawn(tmp_path: Path) -> None:
    page = LivePage(file=tmp_path / "live.html", title="flat")
    page.hear([1.0], "")
    assert "forecast 1" in page.render()


def test_old_forecasts_are_forgotten(tmp_path: Path) -> None:
    page = page_of(tmp_path / "live.html", KEPT + 5, length=2)
    assert (page.heard, len(page.forecasts)) == (KEPT + 5, KEPT)
    assert lines_of(page)[0][0] == "forecast 6"


def test_the_page_is_written_when_there_is_news_and_not_too_often(tmp_path: Path) -> None:
    page = LivePage(file=tmp_path / "live.html", title="battery")
    page.write(now=True)
    assert "No forecast yet" in page.file.read_text()
    page.hear([], "error: <what>")
    page.write()
    assert "&lt;what&gt;" not in page.file.read_text()
    page.write(now=True)
    assert "error: &lt;what&gt;" in page.file.read_text()
    page.file.unlink()
    page.write(now=True)
    assert not page.file.exists()


@pytest.mark.parametrize(("count", "width", "scheme"), [(0, 390, "light"), (40, 1200, "dark"), (40, 320, "light")])
def test_the_page_opens_alone_fits_and_loads_itself_again(
    browser: Browser,
    tmp_path: Path,
    count: int,
    width: int,
    scheme: str,
) -> None:
    page = page_of(tmp_path / "live.html", count)
    page.hear([], "error: a very long line of the board " + "x" * 300)
    page.write(now=True)
    browser.open(page.file, width=width, scheme=scheme)
    assert browser.complaints(page.file) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    shown = "[...document.querySelectorAll('svg.chart')].filter(e => e.getBoundingClientRect().width).length"
    assert browser.evaluate(shown) == min(count, 1)
    if count and width > 1000:
        page.hear([0.5] * 20, "")
        page.write(now=True)
        browser.events.clear()
        while not any(event.get("method") == "Page.loadEventFired" for event in browser.events):
            browser.evaluate("1")
        assert browser.evaluate("document.querySelector('.tile .value').textContent") == "0.5"
        assert browser.complaints(page.file) == []
