"""All benchmarks, one after the other: one JSON, and a table for the docs.

python benchmarks/everything.py PICTURES --photographs PHOTOS --output FOLDER
                                [--only NAME ...] [--smoke] [--docs docs/benchmarks.md]

PICTURES holds `train/` and `test/`, each with one folder a class, of JPEG files. PHOTOS
is a folder of photographs. Each benchmark is a process of its own, which writes its
JSON into FOLDER; what is there is not measured again: an interrupted run goes on.
`--smoke` runs each once with tiny numbers: it shows that they run, and nothing else.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import about

HERE = Path(__file__).resolve().parent

# Between these the page has the table.
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

Figure = tuple[str, str, str]


@dataclass(frozen=True)
class Bench:
    """One benchmark.

    Args:
        words: Of its command line, after its name; `PICTURES`, `PHOTOS` and `RUN` stand
            for folders.
        smoke: What is added to make it tiny.
        figures: From its JSON to rows of the table: what, at least, measured.
    """

    words: str
    smoke: str
    figures: Callable[[Mapping[str, Any]], list[Figure]]


def main_job(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of whole processes."""
    rows = []
    for row in found["rows"]:
        title = f"{row['images']} images, {row['epochs']} epochs"
        accuracy = f"{row['first']['accuracy']:.3f} / {row['keras']['accuracy']:.3f}"
        for name, words in (("first", "first run"), ("again", "features cached")):
            asked = {("first", 10): "8", ("first", 30): "20", ("again", 30): "20"}
            rows.append(
                (
                    f"whole process against the Keras guide's script: {title}, {words}",
                    asked.get((name, row["epochs"]), ""),
                    _times(row[name]["times_as_fast"]),
                )
            )
        rows.append((f"test accuracy, ours / the script's: {title}", "", accuracy))
        overhead = f"{row['first']['overhead_seconds']:.1f} s"
        rows.append(("train beyond import, extraction and epochs", "6 s", overhead))
    return rows


def extraction(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of extraction."""
    rows = []
    for row in found["rows"]:
        title = f"batches of {row['batch_size']}, {row['threads']} threads"
        for name, ratio in row["together_to"].items():
            asked = "0.92" if name == "bare" else ""
            words = name.replace("_", " ")
            rows.append((f"extraction of {words}: {title}", asked, f"{ratio:.2f}"))
    return rows


def attacks(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of attacks."""
    asked = {"foolbox": "4", "art": "4", "cleverhans": "1.0", "bare": "0.95"}
    return [
        (f"PGD step against {name}", asked.get(name, ""), _times(ratio))
        for name, ratio in found["to_ours"].items()
        if name != "ours"
    ]


def ideal_images(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of synthesis."""
    share = f"{1 / found['ours_to_bare']:.2f}"
    rows = [("synthesis step of a bare pass", "0.9", share)]
    if "tf_keras_vis_to_ours" in found:
        ratio = _times(found["tf_keras_vis_to_ours"])
        rows.append(("synthesis step against tf-keras-vis", "3.5", ratio))
    return rows


def training_loop(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of the loop."""
    head, whole = found["head"], found["backbone"]
    return [
        ("head steps against `fit`", "", _times(head["ours_to_fit"])),
        ("head steps against `fit`, 32 a call", "", _times(head["ours_to_fit_32"])),
        ("fine-tuning step of a bare one", "", f"{whole['ours_to_bare']:.2f}"),
    ]


def data_room(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of reading and memory."""
    memory = found["memory"]["ratio"] - 1
    return [
        ("peak memory from 1,000 to 10,000 images", "+10 % at most", f"{memory:+.0%}"),
        (
            "reading alone against the network alone",
            "",
            _times(found["feeding"]["pipeline_to_network"]),
        ),
    ]


def workers(found: Mapping[str, Any]) -> list[Figure]:
    """Return the row of two processes."""
    times = _times(found["times_as_fast"])
    return [("extraction by two one-core processes against one", "1.8", times)]


def growth(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of growth."""
    rows = []
    for name in ("images", "classes"):
        for key, value in found[name]["exponents"].items():
            title = f"exponent of {key.replace('_', ' ')} in the number of {name}"
            rows.append((title, "", f"{value:.2f}"))
    return rows


def serving(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of serving."""
    share = f"{found['throughput']['bytes_of_bare']:.2f}"
    rows = [("bytes signature of the bare pass", "0.85", share)]
    for name, row in found["latency"].items():
        low, high = row["p50_milliseconds"], row["p99_milliseconds"]
        rows.append((f"one image, {name}: p50, p99", "", f"{low:.1f}, {high:.1f} ms"))
    return rows


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times"


BENCHES: dict[str, Bench] = {
    "main_job": Bench(
        "PICTURES --epochs 1 5 10 30 --images 600 --rounds 5",
        "--epochs 1 --images 16 --rounds 1 --image_size 96",
        main_job,
    ),
    "extraction": Bench(
        "PICTURES --images 2048 --rounds 5 --sizes 8 32 128 --threads 1 2",
        "--images 64 --rounds 1 --sizes 32 --threads 2",
        extraction,
    ),
    "attacks": Bench(
        "--images PHOTOS --questions step success --rounds 5",
        "--questions step --batch 2 --steps 2 --rounds 1",
        attacks,
    ),
    "ideal_images": Bench("--rounds 5", "--batch 2 --rounds 1", ideal_images),
    "training_loop": Bench("--rounds 5", "--rounds 1", training_loop),
    "serving": Bench("RUN PHOTOS", "--rounds 1 --requests 20", serving),
    "data_room": Bench("PICTURES", "--images 64 --rounds 1", data_room),
    "workers": Bench("PICTURES --rounds 5", "--rounds 1", workers),
    "growth": Bench(
        "",
        "--images 32 64 --classes 2 --workers 1 --per_class 16",
        growth,
    ),
}

# Left out of a smoke run: they have no tiny form.
LARGE = ("data_room", "workers")


def run(name: str, given: argparse.Namespace, folders: Mapping[str, str]) -> bool:
    """Run one benchmark, unless its result is there; tell whether it went well."""
    output = Path(given.output) / f"{name}.json"
    if output.is_file():
        print(f"{name}: {output} is there already")
        return True
    bench = BENCHES[name]
    words = bench.words.split() + (bench.smoke.split() if given.smoke else [])
    words = [folders.get(word, word) for word in words]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), *words, "--output", str(output)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
    return done.returncode == 0


def served_run(given: argparse.Namespace, scratch: Path) -> str:
    """Return a run of the network that serving is measured with."""
    words = [sys.executable, "-m", "tfpipeline.train", "--train.epochs", "1"]
    if not given.smoke:
        words += ["--data.source", str(given.pictures)]
    words += ["--workdir", str(scratch / "run"), "--cache_dir", str(scratch / "cache")]
    subprocess.run(words, check=True, capture_output=True)
    return str(scratch / "run")


def table(folder: Path) -> str:
    """Return the table of all results in a folder, with machine, versions and date."""
    lines = ["| what | at least | measured |", "|---|---|---|"]
    for name, bench in BENCHES.items():
        file = folder / f"{name}.json"
        if file.is_file():
            for row in bench.figures(json.loads(file.read_text())):
                lines.append(f"| {' | '.join(row)} |")
    here = about()
    machine, versions = here["machine"], here["versions"]
    lines += [
        "",
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; {here['date']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--docs", type=Path)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    names = [n for n in given.only if not (given.smoke and n in LARGE)]
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"PICTURES": str(given.pictures), "PHOTOS": str(given.photographs)}
        if "serving" in names:
            folders["RUN"] = served_run(given, Path(scratch))
        failed = [name for name in names if not run(name, given, folders)]
    text = table(given.output)
    (given.output / "table.md").write_text(text + "\n")
    print(text)
    if given.docs:
        page = given.docs.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        given.docs.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
