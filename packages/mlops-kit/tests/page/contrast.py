"""Whether text can be read on what is behind it."""

import re

# Colours as the browser computes them: of every text that is shown, with the background behind it.
COLOURS = """
const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const behind = (e) => {
  const layers = [];
  for (; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
  for (const colour of ["white", ...layers]) {
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
  }
  return `rgb(${[...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).join(", ")})`;
};
return [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && (e.value || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())))
  .map((e) => [e.textContent.trim() || e.id, getComputedStyle(e).color, behind(e)]);
"""


def contrast(one, other):
    """The ratio of two colours' luminances, as WCAG 2 defines it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [
        int(part) / 255 for part in re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour).groups()
    ]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
