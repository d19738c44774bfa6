"""What a command wrote, as an object that knows its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfpipeline
from tfpipeline.core.errors import UserError
from tfpipeline.report import html, result_page, run_data

if TYPE_CHECKING:
    from tfpipeline.api.predictions import Predictions

# A notebook shows so many pictures of a result, unless it is told otherwise.
_SHOWN = 4


class Page:
    """A page that a notebook shows in a frame.

    Args:
        path: The file, which needs no other.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        """Say where it lies."""
        return f"<the page {self.path}>"

    def _repr_html_(self) -> str:
        """Return a frame with the whole page inside."""
        content = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe srcdoc="{content}" title="report" width="100%" height="800" '
            'style="border:1px solid #8888"></iframe>'
        )


class Gallery:
    """Pictures on disk, which a notebook shows one below the other.

    Args:
        captioned: A caption and a file each.
    """

    def __init__(self, captioned: Sequence[tuple[str, Path]]) -> None:
        self._captioned = list(captioned)

    def __getitem__(self, chosen: slice) -> "Gallery":
        """Return some of them: `gallery[:2]`."""
        return Gallery(self._captioned[chosen])

    @property
    def files(self) -> list[Path]:
        """The files."""
        return [file for _, file in self._captioned]

    def __repr__(self) -> str:
        """Return the names of the files."""
        return "\n".join(map(str, self.files)) or "<no pictures>"

    def _repr_html_(self) -> str:
        return "".join(
            '<figure style="margin:0 0 1em"><img style="max-width:100%" '
            f'src="{uri}" alt="{escape(words, quote=True)}">'
            f"<figcaption>{escape(words)}</figcaption></figure>"
            for words, file in self._captioned
            if (uri := html.picture(file)) is not None
        )


@dataclass(frozen=True, repr=False, eq=False)
class Result(Mapping[str, Any]):
    """What a command wrote; read like the mapping that its JSON file holds.

    Args:
        path: The folder.
        content: Of its JSON file.
        captioned: Its pictures, those of the whole first, each with a caption.
    """

    path: Path
    content: Mapping[str, Any]
    captioned: Sequence[tuple[str, Path]] = field(default=())

    def __getitem__(self, key: str) -> Any:
        """Return what stands under a name."""
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.content)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self.content)

    def __repr__(self) -> str:
        """Return what is true of the whole, and where it lies."""
        told = self.content.get("summary", self.content)
        facts = [
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in told.items()
            if isinstance(value, (str, int, float)) and key not in ("command", "seed")
        ]
        return f"<{self.path}: {', '.join(facts)}>"

    @property
    def pictures(self) -> Gallery:
        """Its pictures, those of the whole first: `result.pictures[:2]`."""
        return Gallery(self.captioned)

    def show(self) -> Gallery:
        """Return its first pictures, for a notebook to show."""
        return self.pictures[:_SHOWN]

    def show_report(self) -> Page:
        """Return its page, for a notebook to show; it is made where there is none."""
        file = self.path / result_page.NAME
        return Page(file if file.is_file() else result_page.write(self.path))

    def _repr_html_(self) -> str | None:
        return self.show()._repr_html_() or None


def read(folder: Path, name: str) -> Result:
    """Return what a command wrote into a folder.

    Args:
        folder: Of the result.
        name: Of its JSON file.

    Raises:
        UserError: The file is damaged.
    """
    found = run_data.read_json(folder / name)
    told = (
        result_page.pictures(folder, name, found) if name in result_page.KINDS else []
    )
    # Of a study, and of an audit; the examples come before the cost.
    files = [*sorted(folder.glob("figures/*.png"), reverse=True), *folder.glob("*.png")]
    return Result(folder, found, told or [(file.stem, file) for file in files])


@dataclass(frozen=True, repr=False, eq=False)
class Export(Result):
    """A version for TF Serving, in `path`.

    Args:
        base: The folder above the versions.
        name: Of the served model.
    """

    base: Path = Path()
    name: str = "classifier"

    @property
    def version(self) -> int | None:
        """Its number; None where none was published."""
        return self.content.get("version")

    @property
    def serve_command(self) -> str:
        """What to type in a terminal to serve it on this machine."""
        from tfpipeline.export import tf_serving_files

        return tf_serving_files.local_command(self.base, self.name)

    def predict(self, images: Any, **settings: Any) -> "Predictions":
        """Return what the written SavedModel says of pictures, in this process.

        Args:
            images: As for `Run.predict`.
            settings: As for `tfpipeline.predict`.

        Raises:
            UserError: As the command; or nothing was published.
        """
        # Where a label was moved alone, the live version is meant.
        if self.content.get("version", 0) is None:
            raise UserError(
                f"{self.base}: nothing was published, so there is no new version to "
                f"ask. The live one is asked by tfpipeline.predict(model="
                f"{str(self.base)!r}, images=...)."
            )
        return tfpipeline.predict(model=self.path, images=images, **settings)
