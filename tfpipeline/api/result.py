"""What a command wrote, as an object that knows its files."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfpipeline
from tfpipeline.core.errors import UserError
from tfpipeline.report import html, result_page, run_data

if TYPE_CHECKING:
    from tfpipeline.api.predictions import Predictions

# A notebook shows so many images of a result by default.
_SHOWN = 4

# Of commands whose page has a name of its own.
_PAGES = ("audit.html", "similar.html", "monitor.html")


class Page:
    """A page, in the file `path`, that a notebook shows in a frame."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<the page {self.path}>"

    def _repr_html_(self) -> str:
        content = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe srcdoc="{content}" title="report" width="100%" height="800" '
            'style="border:1px solid #8888"></iframe>'
        )


class Gallery:
    """Images on disk, with captions, which a notebook shows one below the other."""

    def __init__(self, captioned: Sequence[tuple[str, Path]]) -> None:
        self._captioned = list(captioned)

    def __getitem__(self, part: slice) -> "Gallery":
        return Gallery(self._captioned[part])

    @property
    def files(self) -> list[Path]:
        """The files."""
        return [file for _, file in self._captioned]

    def __repr__(self) -> str:
        return "\n".join(map(str, self.files)) or "<no pictures>"

    def _repr_html_(self) -> str:
        return "".join(
            '<figure style="margin:0 0 1em"><img style="max-width:100%" '
            f'src="{uri}" alt="{escape(words, quote=True)}">'
            f"<figcaption>{escape(words)}</figcaption></figure>"
            for words, file in self._captioned
            if (uri := html.picture(file)) is not None
        )


class Result(dict[str, Any]):
    """What a command wrote: the content of its JSON file.

    Args:
        path: The folder.
        content: Of its JSON file.
        captioned: Its images, those of the whole first, each with a caption.
    """

    def __init__(
        self,
        path: Path,
        content: Mapping[str, Any],
        captioned: Sequence[tuple[str, Path]] = (),
    ) -> None:
        super().__init__(content)
        self.path, self._captioned = path, captioned

    def __repr__(self) -> str:
        facts = [
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in self.get("summary", self).items()
            if isinstance(value, (str, int, float)) and key not in ("command", "seed")
        ]
        return f"<{self.path}: {', '.join(facts)}>"

    @property
    def pictures(self) -> Gallery:
        """Its images, those of the whole first: `result.pictures[:2]`."""
        return Gallery(self._captioned)

    def show(self) -> Gallery:
        """Return its first images, for a notebook to show."""
        return self.pictures[:_SHOWN]

    def show_report(self) -> Page:
        """Return its page, for a notebook to show; it is made where there is none."""
        page = (self.get("written") or {}).get("page")
        named = [Path(page)] if page else []
        named += [self.path / name for name in (result_page.NAME, *_PAGES)]
        files = [file for file in named if file.is_file()]
        return Page(files[0] if files else result_page.write(self.path))

    def _repr_html_(self) -> str | None:
        return self.show()._repr_html_() or None


def read(folder: Path, name: str) -> Result:
    """Return what a command wrote into a folder, by the name of its JSON file."""
    content = run_data.read_json(folder / name)
    captioned = None
    if name in result_page.KINDS:
        captioned = result_page.pictures(folder, name, content)
    # Of a study, and of an audit; the examples come before the cost.
    files = [*sorted(folder.glob("figures/*.png"), reverse=True), *folder.glob("*.png")]
    return Result(folder, content, captioned or [(file.stem, file) for file in files])


class Export(Result):
    """A version for TF Serving in `path`, below `base`; of the served model `name`."""

    def __init__(
        self, path: Path, content: Mapping[str, Any], base: Path, name: str
    ) -> None:
        super().__init__(path, content)
        self.base, self.name = base, name

    @property
    def version(self) -> int | None:
        """Its number; None where none was published."""
        return self.get("version")

    @property
    def serve_command(self) -> str:
        """What to type in a terminal to serve it on this machine."""
        from tfpipeline.export import tf_serving_files

        return tf_serving_files.local_command(self.base, self.name)

    def predict(self, images: Any, **settings: Any) -> "Predictions":
        """Return what the written SavedModel predicts, in this process.

        Args:
            images: As for `Run.predict`.
            settings: As for `tfpipeline.predict`.
        """
        # Where a label was moved alone, the live version is meant.
        if self.get("version", 0) is None:
            raise UserError(
                f"{self.base}: nothing was published, so there is no new version to "
                f"ask. The live one is asked by tfpipeline.predict(model="
                f"{str(self.base)!r}, images=...)."
            )
        return tfpipeline.predict(model=self.path, images=images, **settings)
