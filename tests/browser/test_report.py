"""The report in a real browser, as Argo shows it: it asks for nothing, complains of nothing, and fits."""

from itertools import pairwise

import pytest

from tests.browser.conftest import WEEKS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_NARROW = 390
_LARGEST = 500_000
_LEAST_CONTRAST = 4.5
"""WCAG 2, AA, for text."""

# Each text with the colour on which it stands: its own background or that of the element around it.
_CONTRASTS = """(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || ["title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    let under = element, back = [0, 0, 0, 0];
    while (under && (back.length === 4 && back[3] === 0)) {
      back = parse(getComputedStyle(under).backgroundColor); under = under.parentElement; }
    const [a, b] = [light(parse(element.ownerSVGElement ? style.fill : style.color)), light(back)];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), walker.currentNode.textContent.trim().slice(0, 40)]);
  }
  return found;
})()"""


@pytest.fixture(params=list(WEEKS))
def kind(request):
    return request.param


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [_NARROW, 1280])
def test_the_page_asks_for_nothing_complains_of_nothing_and_fits(tab, served, kind, width, dark):
    tab.open(served[kind], width=width, dark=dark)
    assert tab.evaluate("document.querySelector('h1').textContent") == f"Week {WEEKS[kind]}"
    assert tab.seen.requests == [served[kind]]
    assert tab.seen.complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(17, 20, 23)" if dark else "rgb(246, 245, 241)"
    )


def test_a_page_that_breaks_the_rules_is_noticed(tab, served):
    """What the test above looks for is seen: a script, an address outside, a wide line, a pale text."""
    tab.open(served["broken rules"], width=_NARROW, dark=False)
    assert tab.evaluate("document.body.dataset.ran") is None
    assert len(tab.seen.complaints) >= 2
    assert tab.evaluate("document.documentElement.scrollWidth") > _NARROW
    assert any(ratio < _LEAST_CONTRAST for ratio, _ in tab.evaluate(_CONTRASTS))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(tab, served, kind, dark):
    tab.open(served[kind], width=1280, dark=dark)
    contrasts = tab.evaluate(_CONTRASTS)
    assert len(contrasts) > 50
    assert [text for ratio, text in contrasts if ratio < _LEAST_CONTRAST] == []


def test_nothing_reaches_over_the_edge_but_in_its_own_box(tab, served, kind):
    """An element wider than the phone lies in a box that scrolls, and that the keyboard reaches."""
    tab.open(served[kind], width=_NARROW, dark=False)
    script = """[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll[tabindex="0"][role=region]')).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.evaluate(script) == []


def test_the_keyboard_reaches_the_report_first_then_its_sections(tab, served):
    tab.open(served["ordinary"], width=1280, dark=False)
    reached = []
    for _ in range(3):
        tab.press("Tab", 9)
        reached.append(tab.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == ["#content", "#trends", "#rows"]


def test_a_screen_reader_finds_landmarks_headings_captions_and_charts(tab, served, kind):
    tab.open(served[kind], width=1280, dark=False)
    nodes = tab.accessibility_tree()
    roles = [role for role, _ in nodes]
    for landmark in ("banner", "main", "navigation", "contentinfo"):
        assert roles.count(landmark) == 1
    headings = tab.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert tab.evaluate("[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent.trim())")
    assert [role for role, name in nodes if role in ("image", "img", "region", "table", "link") and not name] == []


def test_the_page_is_small(pages, kind):
    assert len(pages[kind].encode()) < _LARGEST


def test_it_can_be_printed(tab, served):
    tab.open(served["ordinary"], width=1280, dark=True)
    assert tab.pdf().startswith(b"%PDF")
