"""Settings of `export`, `serve` and `predict`."""

from dataclasses import dataclass, field

from tfpipeline.config.beam import LOCAL, BeamSettings


@dataclass(frozen=True)
class ExportSettings:
    """Settings of `export`.

    Args:
        run: Run folder (not needed with `--stable`, which only moves the label).
        output: Folder above the numbered versions, which a server watches.
        name: Name of the served model, part of the server's URLs.
        top_k: Largest number of classes in an answer.
        images: Files, folders or globs for the parity check (default: the run's test
            images).
        parity_images: Largest number of images in the parity check.
        tolerance: Largest accepted difference between a probability of the exported
            model and of the run: one number, or one per format, such as
            `--tolerance.litert_float16 0.05` (`savedmodel` is the version itself).
        min_answered: Smallest share of the parity images, from 0 to 1, that the
            exported model must be able to read.
        max_pixels: Largest height times width of an image, in pixels; larger images are
            not decoded. A pixel of 16 bits counts as four.
        max_request_pixels: Largest number of pixels of all images of a request; beyond
            it, the largest images are refused.
        max_images: Largest number of images in a request; images beyond it are refused.
        only_if_better: Whether to publish only if the run is significantly better than
            the live version, on test images that neither was trained on.
        label: Label of the new version: `stable`, `canary`, or `auto` (`stable` for the
            first version).
        stable: Number of an existing version to label as stable, without exporting
            anything.
        also: Other formats to export, each with its own parity check: `litert_float16`,
            `litert_int8`, `onnx`. A format that fails the check is skipped, and the
            exit code is 1.
        batch_sizes: Batch sizes that the server may use, in ascending order.
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
        base: Folder above the numbered versions, written by `export`.
        name: Name of the served model, part of its URLs.
        host: Address to listen on.
        rest_port: Port for HTTP; 0 picks a free one.
        grpc_port: Port for gRPC; 0 picks a free one, null turns gRPC off.
        poll_seconds: Seconds between two checks for new versions and moved labels.
        ui: Whether to serve a page, at `/ui` of the REST port, on which the model can
            be tried with pictures and the camera.
        run: Run folder that was exported; with it, the page also shows Grad-CAM and the
            nearest training pictures.
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
        batch_size: Largest number of images per request.
        batch_megabytes: Largest size of a request of several images, in megabytes of
            encoded images.
        parallel: Number of requests in flight at the same time.
        retries: Number of times a request is repeated if the server is down or busy.
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
        model: Folder of a finished run; a SavedModel written by `export`, or the folder
            above its versions (the stable version, otherwise the newest); or a server,
            `http://HOST:PORT/v1/models/NAME` or `grpc://HOST:PORT/NAME`, optionally
            with `/labels/stable` or `/versions/N`.
        images: Files, folders or globs; a `.txt` with one path per line, a `.csv` with
            a column `path`, a folder written by `pack`, or URLs.
        output: File in `.csv`, `.jsonl` or `.html` (a contact sheet); or a folder for
            shards, or its URL, in which an interrupted command resumes. By default,
            prints a table on a terminal and CSV into a pipe, unless `--sort_into` is
            given.
        sort_into: Folder into which the pictures are copied, one folder per class;
            unknown pictures go to its folder `unknown`, other pictures that are not
            accepted to `unsure`.
        top_k: Number of classes per picture, the most probable first; at most as many
            as were exported.
        max_pixels: Largest height times width of a picture, in pixels; larger pictures
            are rejected.
        shard_images: Number of pictures per shard, if `output` is a folder.
        part: Which of the `parts` this process computes, counted from 0; `auto` takes
            the index of the task in a job array of SLURM, Kubernetes or AWS Batch.
        parts: Number of parts into which the shards are divided (default: 1, or the
            size of the job array).
        workers: Number of processes on this machine that share the shards.
        runner: What distributes the shards: `local` (this command) or `beam` (Apache
            Beam).
        overwrite: Whether shards of another model, other settings or other pictures in
            `output` may be replaced.
        engine: What computes the predictions of a run on a CPU: `tensorflow`, `litert`,
            or `auto` (with many pictures, the faster in a short trial; `tensorflow` for
            shards).
        server: How requests are sent to a server.
        beam: Apache Beam, with `--runner beam`.
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
