"""Settings of `export`, `serve` and `predict`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExportSettings:
    """What `export` can be told.

    Args:
        run: The folder of a finished run; null with `--stable` moves the label alone.
        output: The folder above the versions, which a server watches.
        name: Of the served model, in the server's addresses.
        top_k: Classes that an answer names, at most.
        images: Files, folders or globs to compare by; empty is the run's test images.
        parity_images: How many of them, at most.
        tolerance: Difference of a probability that is accepted: a number, or one each,
            `--tolerance.litert_float16 0.05` (`savedmodel` is the version itself).
        min_answered: Share of those images that the written model has to read.
        max_pixels: Height times width of an image, at most; more is not decoded.
        max_request_pixels: Of all images of a request; the largest are refused.
        max_images: That a request may have; those behind are refused.
        only_if_better: Whether to publish only what is better than the live version, on
            all test images that neither has learned from.
        label: Of the version: `stable`, `canary`, or `auto` (stable if the first).
        stable: A version to make the stable one, without exporting anything.
        also: Other runtimes, each compared likewise: `litert_float16`, `litert_int8`,
            `onnx`; one that answers wrongly is skipped, and the exit code is 1.
        batch_sizes: Images that the server takes together, in rising order.
        cache_dir: What all runs share; null is what the run used.
    """

    run: str | None = None
    output: str | None = None
    name: str = "classifier"
    top_k: int = 5
    images: list[str] = field(default_factory=list)
    parity_images: int = 200
    tolerance: float | dict[str, float] | None = None
    min_answered: float = 0.9
    max_pixels: int = 250_000_000
    max_request_pixels: int = 400_000_000
    max_images: int = 256
    only_if_better: bool = False
    label: str = "auto"
    stable: int | None = None
    also: list[str] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16, 32])
    cache_dir: str | None = None


@dataclass(frozen=True)
class ServeSettings:
    """What `serve` can be told.

    Args:
        base: The folder above the versions, which `export` wrote.
        name: Of the served model, in its addresses.
        host: The address to listen at.
        rest_port: For HTTP; 0 is any that is free.
        grpc_port: For gRPC; 0 is any that is free, null serves none.
        poll_seconds: How often new versions and moved labels are looked for.
    """

    base: str | None = None
    name: str = "classifier"
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 2.0


@dataclass(frozen=True)
class ServerSettings:
    """How a server is asked.

    Args:
        batch_size: Images a request, at most.
        batch_megabytes: Of encoded images a request, at most, where it has several.
        parallel: Requests that are under way at the same time.
        retries: How often a request is repeated that found no server, or a busy one.
        timeout_seconds: How long an answer may take.
    """

    batch_size: int = 16
    batch_megabytes: float = 16.0
    parallel: int = 4
    retries: int = 5
    timeout_seconds: float = 60.0


@dataclass(frozen=True)
class PredictSettings:
    """What `predict` can be told.

    Args:
        model: The folder of a finished run; a SavedModel that `export` wrote, or the
            folder above its versions (the stable one is taken, or the newest); or a
            server, `http://HOST:PORT/v1/models/NAME` or `grpc://HOST:PORT/NAME`,
            perhaps with `/labels/stable` or `/versions/N`.
        images: Files, folders, or globs.
        output: A file in `.csv` or `.jsonl`; null writes CSV to the screen.
        top_k: Classes to name, best first; at most what a model was exported with.
        max_pixels: Height times width of a picture, at most; more is not opened.
        server: How a server is asked.
    """

    model: str | None = None
    images: list[str] = field(default_factory=list)
    output: str | None = None
    top_k: int = 3
    max_pixels: int = 250_000_000
    server: ServerSettings = field(default_factory=ServerSettings)
