"""Notebooks as they are kept: without outputs, and pointing to the repository.

python notebooks/tidy.py

The address of the repository stands in setup.cfg, as `url`, and nowhere else: where
that changes, this writes it into the badges and first cells.
"""

import configparser
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
BRANCH = "main"

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def repository() -> str:
    """Return the address of the repository, e.g. `https://github.com/OWNER/NAME`."""
    settings = configparser.ConfigParser()
    settings.read(HERE.parent / "setup.cfg", encoding="utf-8")
    return settings["metadata"]["url"]


def badge(name: str) -> str:
    """Return the words of the badge that opens a notebook in Colab.

    Args:
        name: Of the notebook's file.
    """
    path = repository().removeprefix("https://github.com/")
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{path}/blob/{BRANCH}/notebooks/"
        f"{name})"
    )


def tidied(file: Path) -> str:
    """Return what the file of a notebook should hold.

    Args:
        file: The notebook.
    """
    found, cells = json.loads(file.read_text(encoding="utf-8")), []
    for number, cell in enumerate(found["cells"]):
        text = "".join(cell["source"]).strip("\n")
        text = re.sub(r"\[!\[Open in Colab\].*", lambda _: badge(file.name), text)
        text = re.sub(r"git\+https://[^\"\s]+", f"git+{repository()}", text)
        kept = {"cell_type": cell["cell_type"], "id": f"cell-{number:02d}"}
        kept |= {"metadata": {}, "source": text.splitlines(keepends=True)}
        if cell["cell_type"] == "code":
            kept |= {"execution_count": None, "outputs": []}
        cells.append(kept)
    whole = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for notebook in sorted(HERE.glob("*.ipynb")):
        notebook.write_text(tidied(notebook), encoding="utf-8")
