"""Whether a page can be used without a mouse, by a screen reader, with weak eyes and on a narrow screen. Each function returns problems."""

from pathlib import Path

LOOKS = Path(__file__).with_name("accessibility.js").read_text()
# Roles that must have a name.
NAMED = {"button", "link", "textbox", "combobox", "checkbox", "radio", "progressbar", "progressIndicator", "slider", "dialog", "table"}

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
NARROW = {"width": 320, "height": 640}

# Where the element with the focus is, that the user sees: the label in place of a hidden file input. Null: none has it.
FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const hidden = element.matches('input[type=file]') && element.getBoundingClientRect().width <= 1;
    const shown = hidden ? element.labels[0] : element;
    const { left, right, top, bottom } = shown.getBoundingClientRect();
    // Nothing that sticks to the edge of the window may be on top of it. A video's own controls are its own business.
    const onTop = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    const isCovered = !element.matches('video') && !shown.contains(onTop);
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(shown);
    if (!element.dataset.testStop) element.dataset.testStop = String(document.querySelectorAll('[data-test-stop]').length + 1);
    return {
        number: element.dataset.testStop,
        name: `${element.localName} “${element.ariaLabel || shown.textContent.trim().slice(0, 30)}”`,
        left: left + scrollX, right: right + scrollX, top: top + scrollY, bottom: bottom + scrollY,
        isCovered,
        isMarked: (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none',
    };
}"""

# What Tab should come to.
TABBABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, video[controls], [role=slider]')]
    .filter((element) => !element.disabled && element.tabIndex >= 0 && element.checkVisibility())
    .filter((element) => !document.querySelector('dialog:modal') || element.closest('dialog:modal'))
    .map((element) => [
        element.dataset.testStop, `${element.localName} “${element.ariaLabel || element.textContent.trim().slice(0, 30)}”`,
    ])"""


def looks(page):
    """Contrast, ids, references, language, title."""
    return page.evaluate(LOOKS)


def names(page):
    """Names as Chromium gives them to a screen reader."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    named = [node for node in nodes if not node.get("ignored") and node["role"]["value"] in NAMED]
    assert named, "no controls at all"
    problems = []
    for node in named:
        if not node.get("name", {}).get("value", "").strip():
            element = session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
            problems.append(f"no name: {node['role']['value']} {element['localName']} {element.get('attributes', [])}")
    session.detach()
    return problems


def is_backwards(one, following):
    is_above = following["bottom"] <= one["top"] + 1
    is_beside = min(one["bottom"], following["bottom"]) - max(one["top"], following["top"]) > 4
    return is_above or (is_beside and following["left"] < one["left"] - 1)


def focus(page):
    """The order of Tab: all controls, left to right and top to bottom, each marked and not covered while it has the focus."""
    problems, stops, before = [], [], None
    page.evaluate("() => { document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }")
    for _ in range(200):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is not None and before is not None and stop["number"] == before["number"]:
            # Inside a video's own controls.
            continue
        if stop is not None and any(stop["number"] == earlier["number"] for earlier in stops):
            break
        if stop is not None:
            stops.append(stop)
            if before is not None and is_backwards(before, stop):
                problems.append(f"Tab goes from {before['name']} back to {stop['name']}")
        # None: the end of the page, after which it begins again.
        before = stop
    problems += [f"covered while it has the focus: {stop['name']}" for stop in stops if stop["isCovered"]]
    problems += [f"no mark of the focus: {stop['name']}" for stop in stops if not stop["isMarked"]]
    problems += [f"Tab does not come to {name}" for number, name in page.evaluate(TABBABLE) if number is None]
    return problems


def width(page):
    """Whether one would have to scroll sideways."""
    excess = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{excess} px wider than the window"] if excess > 0 else []


def check(case, page, what):
    """All of it, at all widths, light and dark: the test fails if there are problems."""
    for scheme in "light", "dark":
        page.emulate_media(color_scheme=scheme)
        for viewport in DESKTOP, PHONE, NARROW:
            page.set_viewport_size(viewport)
            with case.subTest(f"{what}, {scheme}, {viewport['width']}"):
                case.assertEqual(looks(page) + width(page), [])
    for viewport in DESKTOP, PHONE:
        page.set_viewport_size(viewport)
        with case.subTest(f"{what}, {viewport['width']}"):
            case.assertEqual(names(page) + focus(page), [])
