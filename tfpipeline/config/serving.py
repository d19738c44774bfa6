"""Settings of `export`, `serve` and `predict`."""

from dataclasses import dataclass, field

from tfpipeline.config.beam import LOCAL, BeamSettings


@dataclass(frozen=True)
class ExportSettings:
    """Settings of `export`.

    Args:
        run: Run folder (not needed with `--stable`, which only moves the label).
        output: Folder above the versions, which a server watches.
        name: Of the served model, in the server's addresses.
        top_k: Classes in an answer, at most.
        images: Files, folders or globs for the parity check (default: the run's test
            images).
        parity_images: How many of them, at most.
        tolerance: Largest accepted difference of a probability: one number, or one per
            format, `--tolerance.litert_float16 0.05` (`savedmodel` is the version
            itself).
        min_answered: Share of those images that the exported model has to read.
        max_pixels: Height times width of an image, at most; more is not decoded. A
            pixel of 16 bits counts as four.
        max_request_pixels: Of all images of a request; the largest are refused.
        max_images: That a request may have; those behind are refused.
        only_if_better: Whether to publish only if it is better than the live version,
            on test images that neither has learned from.
        label: Of the version: `stable`, `canary`, or `auto` (the first one is stable).
        stable: Number of a version to make stable, without exporting anything.
        also: Other formats, each checked likewise: `litert_float16`, `litert_int8`,
            `onnx`. One that answers differently is skipped, and the exit code is 1.
        batch_sizes: Batch sizes of the server, in rising order.
        cache_dir: Cache folder (default: that of the run).
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
    """Settings of `serve`.

    Args:
        base: Folder above the versions, written by `export`.
        name: Of the served model, in its addresses.
        host: Address to listen on.
        rest_port: Port for HTTP; 0 takes any free one.
        grpc_port: Port for gRPC; 0 takes any free one, null turns gRPC off.
        poll_seconds: Seconds between two looks for new versions and moved labels.
        ui: Whether to serve a page, at `/ui` of the REST port, to try the model with
            pictures and the camera.
        run: Run folder that was exported: the page then shows Grad-CAM and the nearest
            training pictures as well.
    """

    base: str | None = None
    name: str = "classifier"
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 2.0
    ui: bool = False
    run: str | None = None


@dataclass(frozen=True)
class ServerSettings:
    """How requests are sent to a server.

    Args:
        batch_size: Images per request, at most.
        batch_megabytes: Megabytes of encoded images per request, at most, if it has
            several.
        parallel: Requests in flight at the same time.
        retries: Repetitions of a request if the server is down or busy.
        timeout_seconds: Seconds to wait for an answer.
    """

    batch_size: int = 16
    batch_megabytes: float = 16.0
    parallel: int = 4
    retries: int = 5
    timeout_seconds: float = 60.0


@dataclass(frozen=True)
class PredictSettings:
    """Settings of `predict`.

    Args:
        model: The folder of a finished run; a SavedModel written by `export`, or the
            folder above its versions (uses the stable one, else the newest); or a
            server, `http://HOST:PORT/v1/models/NAME` or `grpc://HOST:PORT/NAME`,
            optionally with `/labels/stable` or `/versions/N`.
        images: Files, folders or globs; a `.txt` with a path in each line, a `.csv`
            with a column `path`, a folder of `pack`, or URLs.
        output: A file in `.csv`, `.jsonl` or `.html` (a contact sheet); or a folder for
            shards, where rows are written as they come and an interrupted command
            resumes. By default, prints a table on a terminal and CSV into a pipe,
            unless `--sort_into` is given.
        sort_into: Folder to copy the pictures into, by class; unknown ones go to
            `unknown` in it, and others that are not accepted to `unsure`.
        top_k: Classes per picture, best first; at most as many as were exported.
        max_pixels: Largest height times width of a picture; larger ones are rejected.
        shard_images: Pictures per shard, where `output` is a folder.
        part: Which share of the shards this process computes, from 0; `auto` is the
            task's number in a job array of SLURM, Kubernetes or AWS Batch.
        parts: Number of shares (default: 1, or the size of the job array).
        workers: Processes on this machine that share the shards.
        runner: What hands out shards: `local`, this command; or `beam`, Apache Beam.
        overwrite: Whether to replace shards of other work in `output`.
        engine: What computes a run's predictions on a CPU: `tensorflow`, `litert`, or
            `auto`: the faster in a trial, for many pictures; for shards `tensorflow`.
        server: How requests are sent to a server.
        beam: What Apache Beam is told, with `--runner beam`.
    """

    model: str | None = None
    images: list[str] = field(default_factory=list)
    output: str | None = None
    sort_into: str | None = None
    top_k: int = 3
    max_pixels: int = 250_000_000
    shard_images: int = 2000
    part: str = "0"
    parts: int = 0
    workers: int = 1
    runner: str = LOCAL
    overwrite: bool = False
    engine: str = "auto"
    server: ServerSettings = field(default_factory=ServerSettings)
    beam: BeamSettings = field(default_factory=BeamSettings)
