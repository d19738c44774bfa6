"""What a person would object to on a page, measured in a browser."""

from pathlib import Path
from typing import Any

from tests.report.browser import Page

# Parts of a page that are meant to be crossed, as a matrix that is wider than a phone.
_SCRIPT = r"""(() => {
  const wide = document.documentElement.clientWidth, found = [], texts = [];
  if (document.documentElement.scrollWidth > wide)
    found.push(`scrolls to ${document.documentElement.scrollWidth}`);
  const colour = (text) => {
    const parts = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [...parts.slice(0, 3), parts.length > 3 ? parts[3] : 1];
  };
  const over = (top, below) =>
    [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  // The colour behind an element: of its ancestors, and of shapes drawn before it.
  const ground = (element, x, y) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement)
      layers.push(colour(getComputedStyle(at).backgroundColor));
    const svg = element.closest("svg");
    if (svg) {
      for (const shape of svg.querySelectorAll("path, rect, circle")) {
        if (shape.closest("defs, clipPath")) continue;
        if (!(shape.compareDocumentPosition(element) & 4)) continue;
        const box = shape.getBoundingClientRect(), style = getComputedStyle(shape);
        if (style.fill === "none") continue;
        if (x < box.left || x > box.right || y < box.top || y > box.bottom) continue;
        const fill = colour(style.fill);
        fill[3] *= Number(style.fillOpacity) * Number(style.opacity);
        layers.unshift(fill);
      }
    }
    return layers.reverse().reduce((below, top) => over(top, below), [0, 0, 0, 1]);
  };
  // What of a rectangle is seen, inside of all that scrolls or cuts.
  const seen = (rect, element) => {
    let { left, right, top, bottom } = rect, cut = false;
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.overflowX === "visible" || at.tagName === "svg") continue;
      const box = at.getBoundingClientRect();
      if (/hidden|clip/.test(style.overflowX) && right > box.right + 1) cut = true;
      left = Math.max(left, box.left); right = Math.min(right, box.right);
      top = Math.max(top, box.top); bottom = Math.min(bottom, box.bottom);
    }
    return { left, right, top, bottom, cut };
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const words = node.textContent.trim(), element = node.parentElement;
    if (!words || element.closest("script, style, title, option, dialog")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element), range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      if (rect.width < 1) continue;
      const box = seen(rect, element), name = words.slice(0, 40);
      if (box.right <= box.left || box.bottom <= box.top) continue;
      if (box.cut) found.push(`cut: ${name}`);
      if (box.right > wide + 1 || box.left < -1) found.push(`beyond the edge: ${name}`);
      const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
      const below = ground(element, x, y);
      const ink = colour(element.closest("svg") ? style.fill : style.color);
      ink[3] *= Number(style.opacity);
      const ratio = contrast(over(ink, below), below);
      if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(1)}: ${name}`);
      const size = parseFloat(style.fontSize)
        * (element.closest("svg")?.getScreenCTM().a ?? 1);
      if (size < SMALLEST) found.push(`letters of ${size.toFixed(1)} px: ${name}`);
      texts.push({ ...box, name, element, node });
    }
  }
  texts.sort((a, b) => a.top - b.top);
  texts.forEach((one, i) => {
    for (let j = i + 1; j < texts.length && texts[j].top < one.bottom; j++) {
      const other = texts[j];
      if (other.node === one.node) continue;
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - other.top;
      const least = Math.min(one.bottom - one.top, other.bottom - other.top);
      // Lines of large letters stand closer than their boxes are high.
      if (across > 1 && down > 0.4 * least)
        found.push(`overlap: ${one.name} | ${other.name}`);
    }
  });
  return [...new Set(found)];
})()"""


def objections(
    browser: Page, file: Path, width: int, scheme: str, smallest: float = 7.0
) -> list[str]:
    """Return what is wrong with how a page looks, nothing where it is fine.

    That is: it scrolls sideways, text is cut or stands beyond the edge, two texts
    overlap, letters are too small to read, or their contrast is below 4.5, which is
    what WCAG 2 asks for at level AA.

    Args:
        browser: That is asked.
        file: The page.
        width: Of the window, in CSS pixels.
        scheme: `light` or `dark`.
        smallest: Height of letters, in CSS pixels.
    """
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", features=features)
    browser.open(file, width)
    found: Any = browser.ask(_SCRIPT.replace("SMALLEST", str(smallest)))
    return [f"{file.name} at {width}, {scheme}: {words}" for words in found]
