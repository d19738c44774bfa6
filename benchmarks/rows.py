"""From the JSON of each benchmark to rows of the table: what, at least, measured."""

from collections.abc import Mapping
from typing import Any

Figure = tuple[str, str, str]

# What a bare pass is called. A Keras network that is asked has variables, and targets
# are against that; ours has constant weights, so that the other one is the limit.
BARE = {
    "bare": "a bare pass",
    "bare_constants": "a bare pass, weights constants",
}


def main_job(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of whole processes."""
    rows = []
    for row in found["rows"]:
        title = f"{row['images']} images, {row['epochs']} epochs"
        accuracy = f"{row['first']['accuracy']:.3f} / {row['keras']['accuracy']:.3f}"
        for name, words in (("first", "first run"), ("again", "features cached")):
            asked = {("first", 10): "8", ("first", 30): "20", ("again", 30): "20"}
            target = asked.get((name, row["epochs"]), "")
            rows.append(
                (
                    f"whole process against the Keras guide's script: {title}, {words}",
                    target if row["images"] == 600 else "",
                    _times(row[name]["times_as_fast"]),
                )
            )
        rows.append((f"test accuracy, ours / the script's: {title}", "", accuracy))
        overhead = row["first"]["overhead_seconds"]
        if row["epochs"] == 10 and overhead is not None:
            title = "train beyond import, extraction and epochs, 10 epochs"
            most = "6 s at most" if row["images"] == 600 else ""
            rows.append((title, most, f"{overhead:.1f} s"))
    return rows


def extraction(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of extraction."""
    rows = []
    for row in found["rows"]:
        title = f"batches of {row['batch_size']}, {row['threads']} threads"
        for name, ratio in row["together_to"].items():
            asked = "0.92" if name == "bare" else ""
            words = BARE.get(name, name.replace("_", " "))
            rows.append((f"extraction of {words}: {title}", asked, f"{ratio:.2f}"))
    return rows


def attacks(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of attacks."""
    asked = {"foolbox": "4", "art": "4", "cleverhans": "1.0", "bare": "0.95"}
    rows = _against("PGD step", found["to_ours"], asked)
    fooled = found.get("seconds_to_success_to_ours", {})
    rows += _against("seconds until all photographs fool", fooled, {})
    for norm in ("linf", "l2"):
        sizes = found.get(f"median_{norm}", {})
        ratios = {name: size / sizes["ours"] for name, size in sizes.items()}
        rows += _against(f"smallest {norm}, median", ratios, {})
    return rows


def _against(
    what: str, to_ours: Mapping[str, float], asked: Mapping[str, str]
) -> list[Figure]:
    """Return a row for each of the others: how many times as much it takes."""
    return [
        (f"{what} against {BARE.get(n, n)}", asked.get(n, ""), _times(ratio, 2))
        for n, ratio in to_ours.items()
        if n != "ours"
    ]


def ideal_images(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of synthesis."""
    rows = [
        (
            f"synthesis step against {words}",
            "0.9" if name == "bare" else "",
            _times(1 / found[f"ours_to_{name}"], 2),
        )
        for name, words in BARE.items()
    ]
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


def head_search(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of heads that are trained together."""
    rows = []
    for classes, row in found["classes"].items():
        title = f"{found['heads']} heads together against one, {classes} classes"
        whole = _times(row["from_nothing"]["times"])
        rows.append((f"{title}: a whole search", "3 at most", whole))
        rows.append((f"{title}: steps alone", "", _times(row["steps"]["times"])))
    return rows


def _times(ratio: float, digits: int = 1) -> str:
    return f"{ratio:.{digits}f} times"
