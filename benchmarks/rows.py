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
    cached = ", its images cached in memory" if found.get("cached") else ""
    peers = {
        "features": ("times_as_fast_as_features", "the guide's script, base run once"),
        "keras": ("times_as_fast", f"the guide's script{cached}, base in each epoch"),
    }
    for row in found["rows"]:
        many, epochs = row["images"], row["epochs"]
        repeated = row["different"] < many
        files = f"{many} images ({row['different']} files, repeated)"
        title = files if repeated else f"{many} images"
        title += f", {epochs} epoch{'s' * (epochs > 1)}"
        known = {name: peers[name] for name in peers if name in row}
        for peer, (key, against) in known.items():
            for name, words in (("first", "first run"), ("again", "features cached")):
                asked = {("first", 10): "8", ("first", 30): "20", ("again", 30): "20"}
                target = asked.get((name, epochs), "")
                plain = many == 600 and peer == "keras" and not cached
                rows.append(
                    (
                        f"whole process against {against}: {title}, {words}",
                        target if plain else "",
                        _times(row[name][key], row[name], key),
                    )
                )
        for key, words in (("accuracy", "test accuracy"), ("peak_mb", "peak MB")):
            digits = 3 if key == "accuracy" else 0
            each = (f"{row[way][key]:.{digits}f}" for way in ("first", *known))
            names = " / ".join(
                [
                    "ours",
                    *(
                        "base once" * (n == "features") or "base in each epoch"
                        for n in known
                    ),
                ]
            )
            rows.append((f"{words}, {names}: {title}", "", " / ".join(each)))
        phases = row["first"]["phases"].items()
        told = (f"{name} {took:.1f}" for name, took in phases if took >= 0.1)
        rows.append((f"seconds by phase: {title}, first run", "", ", ".join(told)))
        overhead = row["first"]["overhead_seconds"]
        if epochs == 10 and overhead is not None:
            title = "train beyond import, extraction and epochs, 10 epochs"
            most = "6 s at most" if many == 600 else ""
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
            told = f"{ratio:.2f}{_range(row, 'together_to', name)}"
            rows.append((f"extraction of {words}: {title}", asked, told))
    return rows


def attacks(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of attacks."""
    asked = {"foolbox": "4", "art": "4", "cleverhans": "1.0", "bare": "0.95"}
    rows = _against("PGD step", found, "to_ours", asked)
    rows += _against(
        "at most 40 steps (peers make all), until all photographs fool, seconds",
        *(found, "seconds_to_success_to_ours", {}),
    )
    equal = f"{found.get('equal_steps')} steps, as many as ours needed"
    rows += _against(f"{equal}, seconds", found, "equal_steps_to_ours", {})
    for name, share in found.get("share_fooled_at_equal_steps", {}).items():
        rows.append((f"fooled after {equal}: {name}", "", f"{share:.0%}"))
    for name, share in found.get("share_fooled", {}).items():
        rows.append((f"fooled after 40 steps of PGD: {name}", "", f"{share:.0%}"))
    for norm in ("linf", "l2"):
        for name, size in found.get(f"median_{norm}", {}).items():
            told = f"{size * 255:.4f}/255" if norm == "linf" else f"{size:.4f}"
            words = f"smallest {norm} in 100 gradients, median: {name}"
            rows.append((words.replace("_", " "), "", told))
    return rows


def _against(
    what: str, found: Mapping[str, Any], key: str, asked: Mapping[str, str]
) -> list[Figure]:
    """Return a row for each of the others: how many times as much it takes."""
    return [
        (
            f"{what} against {BARE.get(name, name)}",
            asked.get(name, ""),
            _times(ratio, found, key, name),
        )
        for name, ratio in found.get(key, {}).items()
        if name != "ours"
    ]


def ideal_images(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of synthesis."""
    asked = {"bare": "0.9", "tf_keras_vis": "3.5"}
    others = {
        "tf_keras_vis": "tf-keras-vis",
        "tf_keras_vis_plain": "tf-keras-vis without transforms and regularisers",
    }
    rows = []
    for row in found["rows"]:
        many = "one image" if row["batch"] == 1 else f"{row['batch']} images"
        for name, words in {**BARE, **others}.items():
            key = f"{name}_to_ours"
            if key in row:
                title = f"synthesis step, {many}, against {words}"
                told = _times(row[key], row, key)
                rows.append((title, asked.get(name, ""), told))
    return rows


def training_loop(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of the loop."""
    head, whole = found["head"], found["backbone"]
    return [
        (
            "head steps against `fit`",
            "",
            _times(head["ours_to_fit"], head, "ours_to_fit"),
        ),
        (
            "head steps against `fit`, 32 a call",
            "",
            _times(head["ours_to_fit_32"], head, "ours_to_fit_32"),
        ),
        (
            "fine-tuning step of a bare one",
            "",
            f"{whole['ours_to_bare']:.2f}{_range(whole, 'ours_to_bare')}",
        ),
    ]


def data_room(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of reading and memory."""
    memory = found["memory"]["ratio"] - 1
    span = found["memory"].get("ratio_range", ())
    low_to_high = f" ({' to '.join(f'{r - 1:+.0%}' for r in span)})" if span else ""
    title = "peak memory from 1,000 to 10,000 images"
    audit = found["audit"]
    looked = _times(audit["processes_to_threads"], audit, "processes_to_threads")
    return [
        (f"audit of {audit['files']} files by processes against threads", "", looked),
        (title, "+10 % at most", f"{memory:+.0%}{low_to_high}"),
        (
            "reading alone against the network alone",
            "",
            _times(found["feeding"]["pipeline_to_network"]),
        ),
    ]


def audit_cache(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of an audit beside what is known of other files."""
    title = f"audit of {found['files']} files, {found['foreign']} others in the cache"
    parts = {"first": "new", "again": "known", "peak_mb": "peak memory"}
    return [
        (
            f"{title}, against an empty cache: {words}",
            "",
            _times(found[f"{name}_to_empty"], found, f"{name}_to_empty"),
        )
        for name, words in parts.items()
    ]


def workers(found: Mapping[str, Any]) -> list[Figure]:
    """Return the row of two processes."""
    times = _times(found["times_as_fast"], found, "times_as_fast")
    return [("extraction by two one-core processes against one", "1.8", times)]


def growth(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of growth."""
    rows = []
    for name in ("images", "classes"):
        for key, value in found[name]["exponents"].items():
            title = f"exponent of {key.replace('_', ' ')} in the number of {name}"
            rows.append((title, "", f"{value:.2f}"))
    for row in found["workers"]["rows"]:
        title = f"seconds of extraction, {row['workers']} one-core workers"
        rows.append((title, "", f"{row['extract']:.1f}"))
    return rows


def serving(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of serving."""
    rate = found["throughput"]
    share = f"{rate['bytes_of_bare']:.2f}{_range(rate, 'bytes_of_bare')}"
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
        for kind, words, most in (
            ("from_nothing", "a whole search", "3 at most"),
            ("steps", "steps alone", ""),
        ):
            told = _times(row[kind]["times"], row[kind], "times")
            rows.append((f"{title}: {words}", most, told))
    return rows


def abstention(found: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of promises: broken ones, and what is answered for them."""
    most = f"{1 - found['confidence']:.2g} at most"
    rows = []
    for row in found["rows"]:
        title = (
            f"promise of at most {row['target']:g} wrong broken, {row['images']} "
            f"validation images, {row['classifier']}"
        )
        bound, other = row["bound"], row["empirical"]
        told = f"{bound['broken']:.3f} (coverage {bound['coverage']:.2f}); without a "
        told += f"bound {other['broken']:.3f} (coverage {other['coverage']:.2f})"
        rows.append((title, most, told))
    return rows


def _times(
    ratio: float, found: Mapping[str, Any] | None = None, key: str = "", name: str = ""
) -> str:
    """Return a ratio in words, with its range over the rounds where that is known."""
    digits = 1 if ratio >= 2 else 2
    return f"{ratio:.{digits}f} times{_range(found or {}, key, name)}"


def _range(found: Mapping[str, Any], key: str, name: str = "") -> str:
    span = found.get(f"{key}_range")
    span = span[name] if span and name else span
    if not span:
        return ""
    digits = 1 if span[0] >= 2 else 2
    return f" ({span[0]:.{digits}f} to {span[1]:.{digits}f})"
