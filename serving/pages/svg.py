"""Drawing on the server: a figure is text that a reader of the page's source can follow.

Colours are classes of the style sheet, since the security policy allows no style attributes; only
the shades of a map are written as attributes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from markupsafe import Markup, escape

__all__ = ["MINUS", "Svg", "fit_text", "nice_ticks", "shorten_codes", "signed", "text_width"]

MINUS = "−"
_CODE = re.compile(r"[!-~]{19,}")


class Svg:
    """A figure under construction.

    Parameters
    ----------
    width, height : float
        Size of the drawing in its own units; the page scales it.
    title : str
        What a reader who does not see it is told.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self._title = title
        self._parts: list[Markup] = []

    def add(
        self, tag: str, text: str | None = None, hint: str | None = None, **attributes: object
    ) -> None:
        """Add an element; `hint` is shown when pointing at it, ``_`` in names reads ``-``."""
        written = Markup("").join(
            Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _plain(value))
            for name, value in attributes.items()
        )
        inner = Markup("") if text is None else escape(text)
        if hint is not None:
            inner = Markup("<title>{}</title>").format(hint) + inner
        self._parts.append(Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, inner))

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """Add a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def text(self, x: float, y: float, text: str, class_: str = "", anchor: str = "start") -> None:
        """Add a text; `anchor` is start, middle or end."""
        self.add("text", text, x=x, y=y, class_=class_, text_anchor=anchor)

    def label(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        size: float,
        class_: str = "label",
        anchor: str = "start",
    ) -> float:
        """Add a text cut to `width` at a font size, with all of it as a hint; return its width."""
        cut = fit_text(shorten_codes(text), width, size)
        hint = text if cut != text else None
        self.add("text", cut, hint, x=x, y=y, class_=class_, text_anchor=anchor)
        return text_width(cut, size)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        class_: str,
        hint: str | None = None,
        radius: float = 0,
    ) -> None:
        """Add a rectangle."""
        self.add(
            "rect",
            None,
            hint,
            x=x,
            y=y,
            width=max(0.0, width),
            height=max(0.0, height),
            rx=radius,
            class_=class_,
        )

    def path(self, points: Sequence[tuple[float, float]], class_: str) -> None:
        """Add an open line through points."""
        steps = " ".join(
            f"{'M' if k == 0 else 'L'}{_plain(x)} {_plain(y)}" for k, (x, y) in enumerate(points)
        )
        self.add("path", d=steps, class_=class_)

    def render(self) -> Markup:
        """Return the figure as an element of the page."""
        head = Markup(
            '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>'
        ).format(_plain(self.width), _plain(self.height), self._title, self._title)
        return head + Markup("").join(self._parts) + Markup("</svg>")


def signed(points: float) -> str:
    """Return points with a real sign and one decimal; nothing is written as minus zero.

    >>> signed(7.62), signed(-3.1), signed(-0.04)
    ('+7.6', '−3.1', '0.0')
    """
    shown = f"{points:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown.replace("-", MINUS)


def shorten_codes(text: str) -> str:
    """Return `text` with codes of more than 18 characters cut, such as digests as value names.

    >>> shorten_codes("Page is 88740e65d5d6b056e0cda098e1ea6313")
    'Page is 88740e65d5d6b056e…'
    """
    return _CODE.sub(lambda found: found[0][:17] + "…", text)


def text_width(text: str, size: float) -> float:
    """Return about how wide `text` is at a font size: Japanese characters are square.

    >>> text_width("展示会", 14), text_width("abc", 10)
    (42.0, 16.8)
    """
    units = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)
    return round(units * size, 1)


def fit_text(text: str, width: float, size: float) -> str:
    """Return `text`, cut with an ellipsis where it would be wider than `width`.

    >>> fit_text("大阪府大阪市北区", 60, 14)
    '大阪府…'
    """
    if text_width(text, size) <= width:
        return text
    cut = text
    while cut and text_width(cut + "…", size) > width:
        cut = cut[:-1]
    return cut.rstrip() + "…"


def nice_ticks(top: float, n: int = 4) -> list[float]:
    """Return round values from 0 to at least `top`, about `n` steps.

    >>> nice_ticks(0.29)
    [0.0, 0.1, 0.2, 0.3]
    """
    if top <= 0:
        return [0.0, 1.0]
    raw = top / n
    power = 10.0 ** int(f"{raw:e}".partition("e")[2])
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    count = 1
    while step * count < top * 0.999:
        count += 1
    return [round(step * k, 12) for k in range(count + 1)]


def _plain(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
