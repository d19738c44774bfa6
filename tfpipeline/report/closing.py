"""What a command says at its end: a text template, beside that of its page."""

import functools
import textwrap
from typing import Any

from tfpipeline.core import checks
from tfpipeline.core.console import Closing
from tfpipeline.metrics.significance import accuracy_interval
from tfpipeline.report.class_ranking import ranked, worst

# By how a line of a template begins: a result, of which as many are shown as there is
# room for, a warning, what to do next; all others are always shown.
_MARKS = {"  ": "items", "! ": "careful", "> ": "then"}


def closing(
    command: str, look: object = None, all_of_it: str = "", **content: Any
) -> Closing:
    """Return the closing words of a command.

    Args:
        command: Its template is `templates/COMMAND.txt`.
        look: The page, file or folder to look at; None where there is none.
        all_of_it: Name of the file that has what there was no room for.
        content: What the template tells of.
    """
    parts: dict[str, list[str]] = {"done": [], "items": [], "careful": [], "then": []}
    text = _environment().get_template(f"{command}.txt").render(content)
    for line in filter(str.strip, text.splitlines()):
        part = _MARKS.get(line[:2])
        parts[part or "done"].append(line[2:] if part else line)
    return Closing(**parts, all_of_it=all_of_it, look=look)


def data_lines(review: object) -> tuple[str, list[tuple[str, str]]]:
    """Return what is to be known of a set of images, `data.review.Review`, in words.

    Returns:
        A headline, and labels with words, the most serious first. What was said of
        the source may have several lines.
    """
    text = _environment().get_template("data.txt").render(review=review)
    head, *lines = filter(str.strip, text.splitlines())
    parts = [line.partition(": ") for line in lines]
    return head, [(label, words.replace(_BREAK, "\n")) for label, _, words in parts]


def data_block(review: object) -> str:
    """Return the same as a block of lines that fit into 80 columns."""
    head, parts = data_lines(review)
    width = max((len(label) for label, _ in parts), default=0) + 2
    shown = textwrap.wrap(head, _COLUMNS)
    for label, words in parts:
        # Lines of a file, to be copied, are not joined and not wrapped.
        words, *lines = words.split("\n")
        shown += textwrap.wrap(
            words,
            _COLUMNS,
            initial_indent=f"  {label:{width}}",
            subsequent_indent=" " * (width + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        shown += [" " * (width + 2) + line for line in lines]
    return "\n".join(shown)


# Where a terminal is narrow, or a log is read.
_COLUMNS = 80


# Stands for the end of a line in what is a line of a template.
_BREAK = "\0"


def _count(number: int, what: str, many: str = "") -> str:
    return f"{number} {what if number == 1 else many or f'{what}s'}"


def _short(name: str, most: int = 44) -> str:
    """Return the end of a long name, in letters that any terminal can show."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    parts = [p if len(p) <= most else f"…{p[1 - most :]}" for p in shown.split(" ~ ")]
    return " ~ ".join(parts)


@functools.cache
def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    from tfpipeline.report.html import TEMPLATES

    def in_a_line(value: Any) -> Markup:
        """Return a value as it is, but that no name of a file begins a new line."""
        if isinstance(value, Markup):  # Of a macro, whose lines are its own.
            return value
        return Markup(" ".join(str(value).splitlines()))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=in_a_line,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {"failed": checks.failed, "unasked": checks.unasked}
    environment.globals["interval"] = accuracy_interval
    environment.globals |= {"ranked": ranked, "worst": worst}
    environment.filters |= {
        "f": format,
        "count": _count,
        "short": _short,
        "broken": lambda text: Markup(_BREAK.join(str(text).splitlines())),
        "name": lambda path: str(path).rstrip("/").rpartition("/")[2],
    }
    return environment
