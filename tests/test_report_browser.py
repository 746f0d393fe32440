"""The pages in a real browser: no request, no message, nothing wider than the screen, light, dark and narrow."""

import re
from pathlib import Path

import pytest
from browser import Browser
from report_examples import example, parsed, searched

from edgekd.contracts.results import Report
from edgekd.report import report_page, write
from edgekd.report.comparison import write_comparison

A4 = 688  # width of a printed page inside its margins, CSS pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("report")
    report = example(name="a_name_of_thirty_two_letters_long_", simulated=True)
    report["chosen"]["by_group"]["group " + "with_a_very_long_name_" * 6] = {"error": 0.002, "windows": 3}
    write(Report.parse(report), found)
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (320, "dark")])
def test_the_page_opens_alone_and_fits(browser: Browser, folder: Path, tmp_path: Path, width: int, scheme: str) -> None:
    page = folder / "report.html"
    browser.open(page, width=width, scheme=scheme)
    browser.screenshot(tmp_path / "page.png")
    assert browser.complaints(page) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"
    assert dark is (scheme == "dark")
    assert (tmp_path / "page.png").stat().st_size > 50_000


@pytest.mark.parametrize("width", [1400, 1000, 390])
def test_letters_of_the_drawings_can_be_read(browser: Browser, folder: Path, width: int) -> None:
    """Drawings take the width of their place: their letters are neither tiny on a phone nor huge on a desk."""
    browser.open(folder / "report.html", width=width)
    scale = "e.getBoundingClientRect().width / e.viewBox.baseVal.width"
    sizes = browser.evaluate(f"[...document.querySelectorAll('svg.chart')].map(e => {scale})")
    assert len(sizes) == 8 and min(sizes) >= 0.8 and max(sizes) <= 1.5


CUT = """[...document.querySelectorAll('svg.chart text')].filter(text => {
  const inner = text.getBoundingClientRect(), outer = text.ownerSVGElement.getBoundingClientRect();
  return inner.left < outer.left - 1 || inner.right > outer.right + 1
      || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent)"""


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_is_cut(browser: Browser, folder: Path, width: int) -> None:
    """No table is wider than its place on a desk, and no letter of a drawing lies outside of its picture."""
    browser.open(folder / "report.html", width=width)
    wide = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert width < 1400 or browser.evaluate(wide) == 0
    assert browser.evaluate(CUT) == []


def test_a_term_explains_itself_where_it_stands(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html", width=390)
    shown = "[...document.querySelectorAll('.explained')].filter(e => e.checkVisibility()).map(e => e.textContent)"
    assert browser.evaluate(shown) == []
    browser.evaluate("document.querySelector('[popovertarget=term-stage2]').click(); true")
    [words] = browser.evaluate(shown)
    assert words.startswith("stage 2 Recovery")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_text_stands_out_from_its_ground(browser: Browser, folder: Path) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) for the colors text is set in, light and dark."""
    for scheme in ("light", "dark"):
        browser.open(folder / "report.html", width=1200, scheme=scheme)
        for color, ground in CONTRASTS:
            assert browser.evaluate(CONTRAST % (color, ground)) >= 4.5, (scheme, color, ground)


CONTRASTS = [
    ("ink", "paper"), ("soft", "paper"), ("soft", "panel"), ("accent", "paper"), ("good", "good-paper"),
    ("bad", "bad-paper"), ("warn", "warn-paper"), ("teacher", "paper"), ("good", "panel"), ("bad", "panel"),
]  # fmt: skip
CONTRAST = """(() => {
  const light = name => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    const part = at => { const c = parseInt(hex.slice(at, at + 2), 16) / 255;
                         return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  };
  const pair = [light("%s"), light("%s")].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
})()"""


def test_the_watch_sees_requests_and_errors(browser: Browser, tmp_path: Path) -> None:
    """A page that breaks the promises is noticed: the test above can fail."""
    page = tmp_path / "bad.html"
    page.write_text("<img src='missing.png'><script>console.log('seen'); undefined_name()</script>")
    browser.open(page, width=400)
    browser.evaluate("1")
    found = browser.complaints(page)
    assert "missing.png" in str(found[0]) and "seen" in str(found) and "undefined_name" in str(found)


def test_the_page_prints_with_its_folded_parts(browser: Browser, folder: Path, tmp_path: Path) -> None:
    browser.open(folder / "report.html", width=A4)
    browser.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="print")
    hidden = (
        "[...document.querySelectorAll('details pre, nav')].map(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert browser.evaluate(hidden) == [False, True]
    assert browser.evaluate("document.documentElement.scrollWidth") <= A4
    browser.call("Emulation.setEmulatedMedia", media="")


def test_a_report_of_many_candidates_prints_on_six_pages(browser: Browser, tmp_path: Path) -> None:
    report = Report.parse(searched(candidates=52))
    (tmp_path / "report.html").write_text(report_page.render(report))
    browser.open(tmp_path / "report.html", width=A4)
    browser.print(tmp_path / "page.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "page.pdf").read_bytes()))
    assert 3 <= pages <= 6
    shown = "[...document.querySelectorAll('#front tbody tr')].filter(e => e.checkVisibility()).length"
    front = sum(candidate.on_front for candidate in report.candidates)
    assert browser.evaluate(shown) == front
    browser.evaluate("document.querySelector('#front details').open = true")
    assert browser.evaluate(shown) == 52


@pytest.mark.parametrize(("width", "scheme"), [(1200, "dark"), (320, "light")])
def test_the_comparison_opens_alone_and_fits(browser: Browser, fronts: Path, width: int, scheme: str) -> None:
    page = fronts / "comparison.html"
    browser.open(page, width=width, scheme=scheme)
    assert browser.complaints(page) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("fronts")
    write(Report.parse(searched(simulated=True)), found)
    write_comparison(parsed({"runs/a": searched(), "runs/" + "long_" * 12: example(simulated=True)}), found)
    return found


WHERE = """(() => {
  const plot = document.getElementById("fronts"), point = plot.querySelector(".subplot.%s .points .point");
  point.scrollIntoView({ behavior: "instant", block: "center" });
  const box = point.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""
LABELS = "[...document.querySelectorAll('#fronts .hoverlayer .hovertext')].map(e => e.textContent).join()"
SHOWN = """[...document.querySelectorAll("#fronts .trace.scatter")]
  .filter(e => e.querySelectorAll(".point").length > 1 && getComputedStyle(e).display !== "none").length"""
LEGEND = """(() => {
  const [entry] = [...document.querySelectorAll("#fronts .legend .traces")].filter(e => e.textContent.trim() === "%s");
  const box = entry.querySelector(".legendtoggle").getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""


@pytest.mark.parametrize("name", ["front.html", "fronts.html"])
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (320, "dark")])
def test_the_interactive_page_opens_alone_and_fits(
    browser: Browser, fronts: Path, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    page = fronts / name
    browser.open(page, width=width, scheme=scheme)
    browser.wait_for("document.querySelectorAll('.plot .main-svg').length > 3")
    browser.screenshot(tmp_path / "page.png")
    assert browser.complaints(page) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    ground = browser.evaluate("document.querySelector('#fronts .main-svg').style.background")
    assert ground == ("rgb(18, 22, 27)" if scheme == "dark" else "rgb(255, 255, 255)")
    plots = (
        "[...document.querySelectorAll('.plot > * .main-svg:first-child')].map(e => e.getBoundingClientRect().width)"
    )
    assert min(browser.evaluate(plots)) > 250


def test_no_button_of_the_interactive_page_sends_anything(browser: Browser, fronts: Path) -> None:
    browser.open(fronts / "front.html", width=1200)
    titles = browser.wait_for("[...document.querySelectorAll('#fronts .modebar-btn')].map(e => e.dataset.title)")
    assert len(titles) == 4 and not any(word in " ".join(titles).lower() for word in ("cloud", "share", "plotly"))


@pytest.mark.parametrize(("width", "axes"), [(1200, "xy"), (1200, "x4y4"), (390, "xy")])
def test_pointing_at_a_candidate_shows_its_name(browser: Browser, fronts: Path, width: int, axes: str) -> None:
    browser.open(fronts / "front.html", width=width, height=1200)
    x, y = browser.wait_for(WHERE % axes)
    assert browser.evaluate(LABELS) == ""
    browser.mouse("mouseMoved", x - 40, y)
    browser.mouse("mouseMoved", x, y)
    label = browser.wait_for(LABELS)
    assert any(one["name"] in label for one in searched()["candidates"])
    assert "validation MAE" in label and "cycles" in label and "bytes of .tflite" in label


def test_a_click_on_a_candidate_marks_it_in_all_drawings(browser: Browser, fronts: Path) -> None:
    traces = "[...document.querySelectorAll('.plot')].flatMap(e => e.data)"
    marks = f"{traces}.filter(t => t.meta === 'marked').map(t => t.x.length)"
    browser.open(fronts / "front.html", width=1200, height=1200)
    x, y = browser.wait_for(WHERE % "xy")
    assert browser.evaluate(marks) == [0, 0, 0, 0, 0]
    browser.mouse("mouseMoved", x, y)
    browser.wait_for(LABELS)
    browser.click(x, y)
    browser.wait_for(f"{marks}[4] > 5")
    assert browser.evaluate(marks)[:4] == [1, 1, 1, 1]


@pytest.mark.parametrize(("name", "entry", "groups"), [("front.html", "liquid", 3), ("fronts.html", "runs/a", 2)])
def test_the_legend_switches_a_group_in_all_panels(
    browser: Browser, fronts: Path, name: str, entry: str, groups: int
) -> None:
    browser.open(fronts / name, width=1200)
    assert browser.wait_for(SHOWN) >= 4 * groups
    before = browser.evaluate(SHOWN)
    x, y = browser.evaluate(LEGEND % entry)
    browser.click(x, y)
    browser.wait_for(f"{SHOWN} < {before}")
    hidden = "document.getElementById('fronts').data.filter(t => t.visible === 'legendonly').map(t => t.name)"
    assert set(browser.evaluate(hidden)) == {entry}
    browser.click(x, y)
    browser.wait_for(f"{SHOWN} === {before}")


def test_the_course_of_the_search_is_shown_over_time(browser: Browser, fronts: Path) -> None:
    browser.open(fronts / "front.html", width=1200)
    last = "document.getElementById('hypervolume').data[0].x.at(-1)"
    assert browser.wait_for(last) == 16
    place = """(() => {
      document.getElementById("hypervolume").scrollIntoView({ behavior: "instant" });
      const box = document.querySelectorAll("#hypervolume .updatemenu-button")[1].getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()"""
    browser.click(*browser.evaluate(place))
    browser.wait_for(f"{last} === {searched()['candidates'][-1]['seconds']}")
