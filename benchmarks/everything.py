"""All benchmarks, one after the other: one JSON, and a table for the docs.

python benchmarks/everything.py PICTURES --photographs PHOTOS --output FOLDER
                                [--only NAME ...] [--smoke] [--docs docs/benchmarks.md]

PICTURES holds `train/` and `test/`, each with one folder a class, of JPEG files. PHOTOS
is a folder of photographs. Each benchmark is a process of its own, which writes its
JSON into FOLDER; what is there is not measured again: an interrupted run goes on.
`--smoke` runs each script once with tiny numbers, but for data_room and workers, which
have no tiny form: it shows that they run, and nothing else. Its results are
NAME.smoke.json.
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

import rows

HERE = Path(__file__).resolve().parent

# Between these the page has the table.
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Bench:
    """One benchmark.

    Args:
        words: Of its command line, after its name; `PICTURES`, `PHOTOS` and `RUN` stand
            for folders.
        smoke: What is added to make it tiny; None where there is no such form.
        figures: From its JSON to rows of the table: what, at least, measured.
        script: Which does it; the one with its name where empty.
    """

    words: str
    smoke: str | None
    figures: Callable[[Mapping[str, Any]], list[rows.Figure]]
    script: str = ""


BENCHES: dict[str, Bench] = {
    "main_job": Bench(
        "PICTURES --epochs 10 30 --images 600 --rounds 5",
        "--epochs 1 --images 16 --rounds 1 --peers keras",
        rows.main_job,
    ),
    "main_job_cached": Bench(
        "PICTURES --epochs 10 --images 600 --rounds 5 --peers keras --cached",
        None,
        rows.main_job,
        "main_job",
    ),
    "main_job_short": Bench(
        "PICTURES --epochs 1 5 --images 600 --rounds 5", None, rows.main_job, "main_job"
    ),
    "main_job_2000": Bench(
        "PICTURES --epochs 1 5 --images 2000 --rounds 5",
        None,
        rows.main_job,
        "main_job",
    ),
    "main_job_10000": Bench(
        "PICTURES --epochs 1 --images 10000 --rounds 3", None, rows.main_job, "main_job"
    ),
    "extraction": Bench(
        "PICTURES --images 2048 --rounds 5 --sizes 32 --threads 2",
        "--images 64 --rounds 1 --sizes 32 --threads 2",
        rows.extraction,
    ),
    "extraction_sweep": Bench(
        "PICTURES --images 256 --rounds 5 --sizes 8 32 128 --threads 1 2",
        None,
        rows.extraction,
        "extraction",
    ),
    "attacks": Bench(
        "--images PHOTOS --questions step success least --rounds 5",
        "--questions step --batch 2 --steps 2 --rounds 1",
        rows.attacks,
    ),
    "ideal_images": Bench("--rounds 5", "--batch 2 --rounds 1", rows.ideal_images),
    "training_loop": Bench(
        "--rounds 5", "--rounds 1 --image_size 32", rows.training_loop
    ),
    "serving": Bench("RUN PHOTOS", "--rounds 1 --requests 20", rows.serving),
    "head_search": Bench("", "--heads 4 --steps 5 --repeats 1", rows.head_search),
    "abstention": Bench(
        "PICTURES", "--draws 2 --images 60 --targets 0.05", rows.abstention
    ),
    "data_room": Bench("PICTURES --rounds 5", None, rows.data_room),
    "audit_cache": Bench("", "--files 8 --foreign 500 --rounds 1", rows.audit_cache),
    "workers": Bench("PICTURES --rounds 5", None, rows.workers),
    "growth": Bench(
        "",
        "--images 32 64 --classes 2 --workers 1 --per_class 16 --image_size 32",
        rows.growth,
    ),
}


def result_file(folder: Path, name: str, smoke: bool) -> Path:
    """Return where a benchmark's result lies: a smoke run's is never taken for one."""
    return folder / (f"{name}.smoke.json" if smoke else f"{name}.json")


def run(name: str, given: argparse.Namespace, folders: Mapping[str, str]) -> bool:
    """Run one benchmark, unless its result is there; tell whether it went well."""
    output = result_file(Path(given.output), name, given.smoke)
    if output.is_file():
        print(f"{name}: {output} is there already")
        return True
    bench = BENCHES[name]
    words = bench.words.split()
    if given.smoke and bench.smoke:
        words += bench.smoke.split()
    words = [folders.get(word, word) for word in words]
    started = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / f"{bench.script or name}.py"),
            *(*words, "--output", str(output)),
        ],
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
    if given.smoke:
        words += ["--model.backbone", "PlainCNN", "--model.image_size", "32"]
        words += ["--data.demo_per_class", "20"]
    else:
        words += ["--data.source", str(given.pictures)]
    words += ["--workdir", str(scratch / "run"), "--cache_dir", str(scratch / "cache")]
    subprocess.run(words, check=True, capture_output=True)
    return str(scratch / "run")


def results_in(folder: Path, smoke: bool) -> dict[str, Any]:
    """Return the results that lie in a folder, by the names of their benchmarks."""
    files = {name: result_file(folder, name, smoke) for name in BENCHES}
    return {
        n: json.loads(file.read_text()) for n, file in files.items() if file.is_file()
    }


def table(folder: Path, smoke: bool = False) -> str:
    """Return the table of all results in a folder, with machine, versions and date.

    Args:
        folder: Of the results.
        smoke: Of smoke runs, and no others.

    Raises:
        SystemExit: They are not all of one machine and the same versions.
    """
    lines = ["| what | at least | measured |", "|---|---|---|"]
    results = results_in(folder, smoke)
    for name, found in results.items():
        for row in BENCHES[name].figures(found):
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines + (["", origin(results)] if results else []))


def origin(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return on what machine, with what versions and when results were measured.

    Args:
        results: By the names of the benchmarks.

    Raises:
        SystemExit: They are not all of one machine and the same versions.
    """
    (first, one), *others = results.items()
    for name, other in {first: one, **dict(others)}.items():
        for key in ("machine", "versions"):
            if key not in other or other[key] != one[key]:
                raise SystemExit(
                    f"{name} and {first} differ in {key}, or do not tell it: one table "
                    "has results of one machine and the same versions. Remove one."
                )
    machine, days = one["machine"], sorted({one["date"] for one in results.values()})
    return (
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB; "
        + ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        + f"; {' to '.join(dict.fromkeys((days[0], days[-1])))}."
    )


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
    if given.docs and given.smoke:
        parser.error("--docs: a smoke run has no figures for the docs")
    given.output.mkdir(parents=True, exist_ok=True)
    names = [n for n in given.only if not given.smoke or BENCHES[n].smoke]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"PICTURES": str(given.pictures), "PHOTOS": str(given.photographs)}
        if "serving" in names:
            folders["RUN"] = served_run(given, Path(scratch))
        failed = [name for name in names if not run(name, given, folders)]
    everything = results_in(given.output, given.smoke)
    together = given.output / f"results{'.smoke' * given.smoke}.json"
    together.write_text(json.dumps(everything, indent=2) + "\n")
    text = table(given.output, given.smoke)
    (given.output / f"table{'.smoke' * given.smoke}.md").write_text(text + "\n")
    print(text)
    if given.docs:
        page = given.docs.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        given.docs.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
