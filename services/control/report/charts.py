"""Small SVG drawings. Everything that is written into one is escaped; colours are classes of `page.css`.

A chart stands for itself (role=img, a title and a description); a bar beside its number is hidden from readers.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 360, 196
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 14, 28
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

Spell = Callable[[float], str]


def trend(
    title: str,
    weeks: Sequence[str],
    values: Sequence[float | None],
    spell: Spell,
    *,
    median: float | None = None,
    limits: tuple[float, float] | None = None,
    flagged: Sequence[str | None] = (),
) -> Markup:
    """A figure over the weeks as a line, with the median of earlier weeks and, where given, a band of good values.

    `flagged` names the class of a week's dot where something was found.
    """
    known = [value for value in values if value is not None]
    axis = _Axis(max([*known, median or 0, *(limits or ())], default=0))
    parts = [_band(axis, limits, spell)] if limits else []
    parts += [_grid(axis, spell), _x_labels(weeks)]
    if median is not None:
        y = axis.y(median)
        parts.append(_tag("line", class_="median", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y))
    for run in _unbroken(values):
        path = " ".join(f"{_x(place, len(values)):g},{axis.y(value):g}" for place, value in run)
        parts.append(_tag("polyline", class_="line", points=path))
    before = None
    last = max((place for place, value in enumerate(values) if value is not None), default=None)
    for place, value in enumerate(values):
        if value is None:
            continue
        x, y = _x(place, len(values)), axis.y(value)
        kinds = ["dot", *(["now"] if place == last else []), *[kind for kind in flagged[place : place + 1] if kind]]
        said = _tag("title", f"{weeks[place]}: {spell(value)}")
        parts.append(_tag("circle", said, class_=" ".join(kinds), cx=x, cy=y, r=4.5 if len(kinds) > 1 else 2.5))
        if place == last:
            parts.append(_tag("text", spell(value), class_="value", x=x + 4, y=_label_y(y, before), text_anchor="end"))
        before = y
    return _chart(title, _described(weeks, values, spell), parts)


def columns(title: str, rows: Mapping[str, Mapping[str, int]], kinds: Sequence[str], spell: Spell) -> Markup:
    """Stacked columns: of each label its rows by kind, in the order of the kinds and in their colours."""
    axis = _Axis(max((sum(by_kind.values()) for by_kind in rows.values()), default=0))
    step = _PLOT_WIDTH / max(len(rows), 1)
    width = min(step * 0.7, 34)
    parts = [_grid(axis, spell)]
    for place, (label, by_kind) in enumerate(rows.items()):
        middle, base = _LEFT + step * (place + 0.5), 0
        for kind in kinds:
            number = by_kind.get(kind, 0)
            top = axis.y(base + number)
            box = {"x": middle - width / 2, "y": top, "width": width, "height": axis.y(base) - top}
            said = _tag("title", f"{label}, {kind}: {spell(number)}")
            parts.append(_tag("rect", said, class_=f"kind{kinds.index(kind)}", **box))
            base += number
        parts.append(_tag("text", label, class_="label", x=middle, y=_HEIGHT - 9, text_anchor="middle"))
    told = "; ".join(f"{label} {spell(sum(by_kind.values()))}" for label, by_kind in rows.items())
    return _chart(title, told, parts)


def bar(share: float, kind: str = "plain") -> Markup:
    """A bar as wide as the share of its cell; what is not nothing shows."""
    return stacked({kind: share})


def stacked(shares: Mapping[str, float]) -> Markup:
    """Bars end to end, by kind."""
    parts, left = [], 0.0
    for kind, share in shares.items():
        width = min(max(share * 100, 0.6 if share > 0 else 0), 100 - left)
        parts.append(_tag("rect", class_=kind, x=left, y=0, width=width, height=10))
        left += width
    return _strip(parts)


def diverging(share: float) -> Markup:
    """A bar to the right of the middle for what grew, to the left for what shrank; the share is in -1…1."""
    width = max(abs(share) * 50, 0.6 if share else 0)
    kind, left = ("more", 50.0) if share > 0 else ("less", 50 - width)
    middle = _tag("rect", class_="middle", x=49.8, y=0, width=0.4, height=10)
    return _strip([middle, _tag("rect", class_=kind, x=left, y=0, width=width, height=10)])


def bullet(value: float, limit: float) -> Markup:
    """A value on a scale that ends at a quarter above its limit, or at itself; the limit is a mark."""
    whole = max(limit * 1.25, value) or 1
    kind = "over" if value > limit else "plain"
    filled = _tag("rect", class_=kind, x=0, y=0, width=max(value / whole * 100, 0.6), height=10)
    return _strip([filled, _tag("rect", class_="limit", x=limit / whole * 100 - 0.4, y=0, width=0.8, height=10)])


def sparkline(values: Sequence[float | None]) -> Markup:
    """The course of a figure without axes, for a table's cell."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    span = (high - low) or 1

    def place(at: int, value: float) -> tuple[float, float]:
        return round(3 + 94 * at / max(len(values) - 1, 1), 2), round(21 - 18 * (value - low) / span, 2)

    parts = []
    for run in _unbroken(values):
        path = " ".join("{:g},{:g}".format(*place(at, value)) for at, value in run)
        parts.append(_tag("polyline", class_="line", points=path))
    if values and values[-1] is not None:
        x, y = place(len(values) - 1, values[-1])
        parts.append(_tag("circle", class_="dot now", cx=x if len(values) > 1 else 97, cy=y, r=2.5))
    return _tag(
        "svg",
        *parts,
        class_="sparkline",
        viewBox="0 0 100 24",
        preserveAspectRatio="xMinYMid",
        aria_hidden="true",
        focusable="false",
    )


class _Axis:
    """A linear scale from 0 to a round number at or above the largest value, in three steps or so."""

    def __init__(self, largest: float) -> None:
        rough = (largest or 1) / 3
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough)
        self.top = self.step * max(math.ceil(largest / self.step - 1e-9), 1)

    def y(self, value: float) -> float:
        return round(_TOP + _PLOT_HEIGHT * (1 - value / self.top), 2)

    def ticks(self) -> list[float]:
        return [self.step * place for place in range(round(self.top / self.step) + 1)]


def _label_y(y: float, before: float | None) -> float:
    """Where the label of the last dot is not crossed by the line that comes to it."""
    below = y + 19 < _HEIGHT - _BOTTOM and (y - 10 < _TOP or (before is not None and before < y - 1))
    return y + 19 if below else y - 10


def _grid(axis: _Axis, spell: Spell) -> Markup:
    lines = []
    for tick in axis.ticks():
        y = axis.y(tick)
        lines.append(_tag("line", class_="grid" if tick else "base", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y))
        lines.append(_tag("text", spell(tick), class_="label", x=_LEFT - 7, y=y + 4, text_anchor="end"))
    return Markup().join(lines)


def _band(axis: _Axis, limits: tuple[float, float], spell: Spell) -> Markup:
    low, high = limits
    said = _tag("title", f"between {spell(low)} and {spell(high)}")
    box = {"x": _LEFT, "width": _PLOT_WIDTH, "y": axis.y(high), "height": axis.y(low) - axis.y(high)}
    return _tag("rect", said, class_="band", **box)


def _x_labels(weeks: Sequence[str]) -> Markup:
    """The first week, the last, and one between where there is room."""
    places = sorted({0, (len(weeks) - 1) // 2, len(weeks) - 1}) if len(weeks) > 4 else sorted({0, len(weeks) - 1})
    labels = []
    for place in places:
        anchor = "middle"
        if len(weeks) > 1:
            anchor = {0: "start", len(weeks) - 1: "end"}.get(place, "middle")
        x = _LEFT if anchor == "start" else _WIDTH - _RIGHT if anchor == "end" else _x(place, len(weeks))
        labels.append(_tag("text", weeks[place], class_="label", x=x, y=_HEIGHT - 9, text_anchor=anchor))
    return Markup().join(labels)


def _x(place: int, number: int) -> float:
    inset = 8
    if number == 1:
        return _LEFT + _PLOT_WIDTH / 2
    return round(_LEFT + inset + (_PLOT_WIDTH - 2 * inset) * place / (number - 1), 2)


def _unbroken(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Runs of neighbours that are there: a line is not drawn over a gap."""
    runs: list[list[tuple[int, float]]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if place and runs and runs[-1][-1][0] == place - 1:
            runs[-1].append((place, value))
        else:
            runs.append([(place, value)])
    return [run for run in runs if len(run) > 1]


def _described(weeks: Sequence[str], values: Sequence[float | None], spell: Spell) -> str:
    told = (f"{week} {'unknown' if value is None else spell(value)}" for week, value in zip(weeks, values, strict=True))
    return "; ".join(told)


def _chart(title: str, description: str, parts: Sequence[Markup]) -> Markup:
    head = (_tag("title", title), _tag("desc", description))
    return _tag(
        "svg",
        *head,
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title}. {description}",
    )


def _strip(parts: Sequence[Markup]) -> Markup:
    return _tag(
        "svg",
        *parts,
        class_="bar",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )


def _tag(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element; `class_` is `class`, other underscores are hyphens."""
    given = Markup().join(
        Markup(' {}="{}"').format(_attribute(key), f"{value:g}" if isinstance(value, float) else value)
        for key, value in attributes.items()
    )
    inner = Markup().join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, given, inner)


def _attribute(key: str) -> str:
    return "class" if key == "class_" else key.replace("_", "-")
