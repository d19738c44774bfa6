"""Figures of Matplotlib, in one style: SVG, pixels, or shown by a notebook."""

import functools
import io
import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

# The colours of a light page, after Okabe and Ito. In SVG each of them is the variable
# of this name in page.css, so that a chart follows the page, light or dark.
INKS = SimpleNamespace(
    **{"ink": "#1d1d1b", "soft": "#66655f", "hair": "#dedbd2", "wash": "#f4f1ea"},
    **{"paper": "#fdfcf9", "blue": "#0072b2"},
    **{"vermillion": "#c24e00", "green": "#007f5f", "purple": "#a8548a"},
    amber="#a87000",
)

_STYLE: Any = {
    **{"font.family": "DejaVu Sans", "font.size": 9, "text.parse_math": False},
    **{"text.color": INKS.ink, "axes.labelcolor": INKS.ink, "axes.edgecolor": INKS.ink},
    **{"xtick.color": INKS.soft, "ytick.color": INKS.soft, "grid.color": INKS.hair},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True},
    **{"axes.titlesize": 10, "legend.frameon": False, "lines.solid_capstyle": "round"},
    # Of equal content, so that parts of several charts on a page may share a name.
    **{"svg.fonttype": "none", "svg.hashsalt": "tfpipeline"},
}

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

Draw = TypeVar("Draw", bound=Callable[..., Any])


def styled(draw: Draw) -> Draw:
    """Let a function draw in the style of all charts, in which `$` is no formula."""

    @functools.wraps(draw)
    def inside(*args: Any, **kwargs: Any) -> Any:
        import matplotlib

        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            # A browser has letters of more alphabets.
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            return draw(*args, **kwargs)

    return inside  # type: ignore[return-value]


def figure(width: float, height: float, **options: Any) -> Any:
    """Return an empty figure of so many inches, which a notebook shows by itself.

    Without pyplot, which would keep it open. `titles` has what a browser says of the
    marks of an artist, by its `gid`.
    """
    from matplotlib.figure import Figure

    empty: Any = Figure(figsize=(width, height), dpi=100, **options)
    empty.titles = {}
    empty._repr_png_ = functools.partial(_png, empty)
    return empty


def printable(text: str) -> str:
    """Return text without what neither a font nor XML knows, as in names of files."""
    known = "\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
    return re.sub(f"[^{known}]", "\N{REPLACEMENT CHARACTER}", text)


@styled
def _png(drawn: Any) -> bytes:
    with io.BytesIO() as stream:
        drawn.savefig(stream, format="png", bbox_inches="tight")
        return stream.getvalue()


@styled
def pixels(drawn: Any) -> np.ndarray:
    """Return a figure as uint8 RGB, shape (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(drawn)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@styled
def svg(drawn: Any, alt: str, css: str = "") -> Markup:
    """Return a figure for a page: in its colours and letters, with words to read aloud.

    Args:
        drawn: The figure.
        alt: What it shows, in words.
        css: Its class; such a figure keeps its size, however narrow the page.
    """
    stream = io.StringIO()
    drawn.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(stream.getvalue())
    # What it was made by, and a style that would hold for all of the page.
    for child in [child for child in root if not child.tag.endswith("}g")]:
        root.remove(child)
    for element in root.iter():
        # What it names went with the definitions.
        element.attrib.pop("clip-path", None)
    for group in root.iter(f"{{{_SVG}}}g"):
        # Names of groups would be there once a chart.
        name = group.attrib.pop("id", "")
        if name:
            group.set("class", name.rstrip("_0123456789"))
        marks = [*group.iter(f"{{{_SVG}}}use")] or [*group.iter(f"{{{_SVG}}}path")]
        for mark, words in zip(marks, drawn.titles.get(name, ())):
            ElementTree.SubElement(mark, "title").text = printable(words)
    wide = root.attrib.pop("width").removesuffix("pt")
    del root.attrib["height"]
    root.attrib |= {"role": "img", "aria-label": printable(alt)}
    if css:
        root.attrib |= {"class": css, "style": f"width:{float(wide):.0f}px"}
    text = ElementTree.tostring(root, encoding="unicode")
    text = text.replace("'DejaVu Sans'", "var(--sans)")
    for name, ink in vars(INKS).items():
        text = text.replace(ink, f"var(--{name})")
    return Markup(text)
