"""How well the text of a page can be read, as WCAG measures it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooSlow

from tests.helpers.browsing import WAIT

_FAINT = """
() => {
  const channels = (colour) => {
    const parts = colour.match(/[\\d.]+/g)
    return parts ? parts.map(Number) : [0, 0, 0, 0]
  }
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1
    return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha))
  }
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    const layers = []
    for (let e = element; e; e = e.parentElement) layers.push(channels(getComputedStyle(e).backgroundColor))
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255])
  }
  if (!document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")) return ["still being drawn"]
  const faint = []
  const texts = document.createTreeWalker(document.querySelector("[data-testid=stMain]"), NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const text = texts.currentNode, element = text.parentElement
    if (!text.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
    if (element.closest("[disabled], [aria-disabled=true], [aria-hidden=true], .mark-text.role-mark, canvas")) continue
    const style = getComputedStyle(element)
    const ink = channels(element.namespaceURI.endsWith("svg") ? style.fill : style.color)
    let alpha = ink.length > 3 ? ink[3] : 1
    for (let e = element; e; e = e.parentElement) alpha *= Number(getComputedStyle(e).opacity)
    const below = behind(element)
    const [one, other] = [luminance(over([...ink.slice(0, 3), alpha], below)), luminance(below)]
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${text.data.trim().slice(0, 60)}`)
  }
  return [...new Set(faint)]
}
"""


def check_contrast(page: Page) -> None:
    """Wait until no text of a page has less than 4.5:1 between it and what is behind.

    Colours fade over when a page is drawn or its theme changes, and a page is drawn again when its width has changed.
    Disabled controls are left out, as WCAG does, and numbers on the coloured cells of a chart.
    """
    try:
        page.wait_for_function(f"({_FAINT})().length === 0", timeout=WAIT, polling=500)
    except TooSlow:
        pytest.fail(str(page.evaluate(_FAINT)))
