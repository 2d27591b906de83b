"""Whether a page can be used with the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

_OUT_OF_REACH = """
() => {
  const ways = "a, button, input, select, textarea, canvas[tabindex], [role]"
  const roles = "button link switch checkbox tab combobox grid textbox slider".split(" ")
  const known = (element) => element.getAttribute("role") === "radio"  // reached from the one beside it by an arrow
    || element.closest("[data-testid=stSelectbox], [data-testid=stMultiSelect]")  // the input opens and removes
    || element.closest("canvas")  // the table is reached, and its cells by arrows
    || element.type === "file"  // the button beside it opens it
  const faults = []
  for (const element of document.querySelectorAll(ways)) {
    const role = element.getAttribute("role")
    if (role && !roles.includes(role) && !element.matches("a, button, input, select, textarea")) continue
    if (element.disabled || element.closest("[aria-hidden=true], [inert]") || !element.checkVisibility()) continue
    const name = element.getAttribute("aria-label") || element.innerText || element.labels?.[0]?.innerText || ""
    if (element.tabIndex < 0 && !known(element)) faults.push(`out of reach: ${element.outerHTML.slice(0, 120)}`)
    if (element.tabIndex >= 0 && !name.trim()) faults.push(`no name: ${element.outerHTML.slice(0, 120)}`)
  }
  return faults
}
"""

_AT = "document.activeElement.closest('[data-testid=stDataFrame]') ? 'table' : document.activeElement.innerText"


def check_keyboard(page: Page) -> None:
    """Wait until everything that can be used has a name and can be reached; tables are named when they are there."""
    expect(
        page.locator("[data-testid=stDataFrame] :is([role=grid], canvas[tabindex]):not([aria-label])")
    ).to_have_count(0)
    faults = page.evaluate(_OUT_OF_REACH)
    assert not faults, faults


def walk(page: Page, most: int = 100) -> list[str]:
    """What Tab leads to, from the start of a page until it has led to all: texts, and `table`."""
    places: list[str] = []
    while len(places) < most and (not places or places[-1] != "Skip to main content" or len(places) == 1):
        page.keyboard.press("Tab")
        places.append(page.evaluate(_AT))
    return places
