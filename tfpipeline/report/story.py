"""What a result comes to: the headline of its page, three figures, and captions.

From the JSON alone, so that a page can be made again at any time. What a result lacks
(one of an earlier version, one that was stopped) is passed over.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfpipeline.metrics import target_score
from tfpipeline.report.html import count, number, percent

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure of merit: its name, its value, and what it rests on."""

    name: str
    value: str
    basis: str = ""


@dataclass(frozen=True)
class Story:
    """What stands at the head of a page.

    Args:
        headline: What was found, in a sentence; empty where the result does not say.
        figures: Three at most.
        caption: From an item of the result to the words below its picture.
    """

    headline: str = ""
    figures: Sequence[Figure] = ()
    caption: Callable[[Result], str] | None = None


def tell(name: str, result: Result, items: Sequence[Result]) -> Story:
    """Return the story of a result by the name of its JSON file."""
    teller = _TELLERS.get(name)
    summary = result.get("summary") or {}
    return teller(result, summary, items) if teller and items else Story()


def radius(size: float | None, norm: str = "linf") -> str:
    """Return the size of a perturbation in the unit that it is asked in: `4/255`."""
    if size is None:
        return "–"
    return f"{255 * size:.3g}/255" if norm == "linf" else f"{size:.3g} in {norm}"


def _attack(result: Result, summary: Result, items: Sequence[Result]) -> Story:
    fooled = [item for item in items if item.get("success_8bit")]
    first, of = items[0], f"{len(fooled)} of {len(items)}"
    norm = first.get("norm", "linf")
    size = radius(first.get("epsilon"), norm)
    what = "photograph" if len(items) == 1 else "photographs"
    if target := first.get("target"):
        headline = f"{of} {what} became {target!r} at {size}"
    else:
        headline = f"Fooled on {of} {what} at {size}"
    jpeg = summary.get("success_rate_jpeg") or {}
    figures = [Figure("Fooled", of, f"counted on the saved 8-bit files, {size}")]
    if fooled and jpeg:
        headline += f"; {_survives(jpeg)}"
    if (least := summary.get("median_least")) is not None:
        basis = f"median over {count(len(items), 'photograph')}"
        figures.append(Figure("Smallest perturbation", radius(least, norm), basis))
    elif (psnr := (summary.get("median") or {}).get("psnr")) is not None:
        basis = "median PSNR of the successful ones; 40 dB is hardly visible"
        figures.append(Figure("Perturbation", f"{psnr:.1f} dB", basis))
    if jpeg:
        quality, share = list(jpeg.items())[len(jpeg) // 2]
        basis = "of all photographs still fool the network"
        figures.append(Figure(f"After JPEG {quality}", percent(share, 0), basis))
    return Story(headline, figures, lambda item: _attacked(item, norm))


def _survives(jpeg: Mapping[str, float]) -> str:
    """Return at which JPEG quality an attack ends, the mildest first."""
    for quality in sorted(jpeg, key=int, reverse=True):
        if not jpeg[quality]:
            return f"nothing survives JPEG {quality}"
    quality = min(jpeg, key=int)
    return f"{percent(jpeg[quality], 0)} survive JPEG {quality}"


def _attacked(item: Result, norm: str) -> str:
    words = [
        f"{item.get('clean_class')} {number(item.get('clean_probability'))} → "
        f"{item.get('final_class')} {number(item.get('final_probability'))}",
        radius(item.get(norm), norm),
    ]
    if item.get("least") is not None:
        words.append(f"smallest {radius(item['least'], norm)}")
    if item.get("steps") is not None:
        words.append(count(item["steps"], "step"))
    if not item.get("success_8bit"):
        words.append("not fooled")
    return ", ".join(words)


def _synthesis(result: Result, summary: Result, items: Sequence[Result]) -> Story:
    network = summary.get("network", "the network")
    judges = summary.get("judges") or {}
    apart = {name: v for name, v in judges.items() if v.get("took_no_part")}
    own = f"{summary.get('recognised')} of {len(items)}"
    headline = f"{network} recognises {own} of its ideal images"
    figures = [
        Figure(
            "Recognised by the network", own, "saved files whose class is ranked first"
        )
    ]
    for name, votes in list(apart.items())[:2]:
        share = f"{votes.get('top_1')} of {votes.get('known')}"
        basis = f"ranked first; {votes.get('top_5')} in the top five"
        figures.append(Figure(f"Recognised by {name}", share, basis))
        if len(figures) == 2:
            headline = (
                f"{name}, which took no part, recognises {share} ideal images of "
                f"{network}"
            )
    if len(figures) < 3 and summary.get("least_probability") is not None:
        basis = f"lowest of {count(len(items), 'image')}"
        least = number(summary["least_probability"])
        figures.append(Figure("Probability of the class", least, basis))
    return Story(headline, figures, _ideal)


def _ideal(item: Result) -> str:
    words = [f"{item.get('class')}: probability {number(item.get('probability'))}"]
    for name, verdict in (item.get("judges") or {}).items():
        rank = verdict.get("rank")
        placed = f" (the class is ranked {rank})" if rank not in (None, 1) else ""
        words.append(f"{name} sees {verdict.get('top')}{placed}")
    return "; ".join(words)


def _features(result: Result, summary: Result, items: Sequence[Result]) -> Story:
    network = summary.get("network", "the network")
    seen = Counter(str(item.get("class")) for item in items).most_common()
    named = [f"{name} ({n})" if len(seen) > 1 else name for name, n in seen[:3]]
    more = f" and {len(seen) - 3} more classes" if len(seen) > 3 else ""
    pictures = count(len(items), "picture")
    headline = f"{pictures} predicted by {network}: {', '.join(named)}{more}"
    figures = [
        Figure("Pictures", str(len(items)), "each with its layers and explanations"),
        Figure("Layers shown", str(len(summary.get("layers", ()))), "lowest first"),
    ]
    if channels := summary.get("channels"):
        figures.append(Figure("Channels", str(channels), "with their ideal images"))
    return Story(headline, figures, _seen)


def _seen(item: Result) -> str:
    file = str(item.get("image")).rpartition("/")[2]
    return f"{file}: {item.get('class')} {number(item.get('probability'))}"


def _study(result: Result, summary: Result, items: Sequence[Result]) -> Story:
    advice = result.get("recommendation") or []
    whole = [
        row
        for row in summary.get("means") or []
        if row.get("shots") == "all"
        and row.get(target_score.of_row(row).key) is not None
    ]
    backbones = {row.get("backbone") for row in items}
    sources = {row.get("source") for row in items}
    figures = []
    headline = ""
    keys = ("source", "backbone", "method")
    for entry in advice[:1]:
        rows = [
            row for row in whole if all(row.get(key) == entry.get(key) for key in keys)
        ]
        name = str(entry.get("source")).rstrip("/").rpartition("/")[2]
        headline = f"For {name}, take {entry.get('backbone')}"
        if rows:
            # That of the method that validation images have chosen.
            best = rows[0]
            half = best.get("half_interval")
            sure = f" ± {half:.3f}" if isinstance(half, float) and half == half else ""
            score = target_score.of_row(best)
            value = f"{best[score.key]:.3f}{sure}"
            headline += f": {score.name} {value}"
            figures.append(
                Figure(
                    score.title,
                    value,
                    f"test images, {best.get('method')}, all training images",
                )
            )
        if len(advice) > 1:
            headline += f" ({len(advice) - 1} more recommendations below)"
    figures += [
        Figure("Networks", str(len(backbones)), "compared on the same splits"),
        Figure("Data sets", str(len(sources)), ""),
    ]
    return Story(headline, figures[:3])


_TELLERS: dict[str, Callable[[Result, Result, Sequence[Result]], Story]] = {
    "attack.json": _attack,
    "synthesis.json": _synthesis,
    "features.json": _features,
    "study.json": _study,
}
