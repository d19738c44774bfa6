"""Settings of `embed` and `merge`: features of any number of pictures."""

from dataclasses import dataclass, field

from tfpipeline.config.beam import LOCAL, BeamSettings
from tfpipeline.config.model import ModelSettings


@dataclass(frozen=True)
class EmbedSettings:
    """Settings of `embed`.

    Args:
        images: Files, folders or globs; a `.txt` with one path per line, a `.csv` with
            a column `path`, a folder written by `pack`, or URLs.
        output: Folder for the shards, or its URL, in which an interrupted command
            resumes.
        run: Run folder whose network computes the features, or a SavedModel written by
            `export` (default: the network set by `--model.*`).
        dtype: Number type of the features: `float32` or `float16`.
        format: Format of the shards: `numpy` (a `.npy` of features and a `.csv` of
            rows), or `parquet` (one file with both).
        shard_images: Number of pictures per shard. An interrupted shard is computed
            again.
        part: Which of the `parts` this process computes, counted from 0; `auto` takes
            the index of the task in a job array of SLURM, Kubernetes or AWS Batch.
        parts: Number of parts into which the shards are divided (default: 1, or the
            size of the job array).
        workers: Number of processes on this machine that share the shards.
        runner: What distributes the shards: `local` (this command) or `beam` (Apache
            Beam).
        batch_size: Number of pictures per step; it changes features by rounding errors
            only.
        resize: How a picture is made square: `squash` (change the aspect ratio), `crop`
            (keep the middle), or `pad` (default: as the run, otherwise `squash`).
        range: Sample values that mean black and white in pictures of more than 8 bits
            whose files declare none: `full` (the range of the sample type) or `"LOW
            HIGH"`. Not used with a run, which has its own.
        max_pixels: Largest height times width of a picture, in pixels; larger pictures
            are rejected.
        overwrite: Whether shards of another model, other settings or other pictures in
            `output` may be replaced.
        engine: What computes the features on a CPU: `tensorflow`, `litert`, or `auto`
            (`litert` for 10,000 pictures of 224 x 224 pixels or more and a network with
            depthwise convolutions such as MobileNet; otherwise `tensorflow`).
        model: The network.
        beam: Apache Beam, with `--runner beam`.
    """

    images: list[str] = field(default_factory=list)
    output: str | None = None
    run: str | None = None
    dtype: str = "float32"
    format: str = "numpy"
    shard_images: int = 2000
    part: str = "0"
    parts: int = 0
    workers: int = 1
    runner: str = LOCAL
    batch_size: int = 32
    resize: str | None = None
    range: str = "full"
    max_pixels: int = 250_000_000
    overwrite: bool = False
    engine: str = "auto"
    model: ModelSettings = field(default_factory=ModelSettings)
    beam: BeamSettings = field(default_factory=BeamSettings)


@dataclass(frozen=True)
class MergeSettings:
    """Settings of `merge`.

    Args:
        shards: Folder of the shards written by `embed`, `predict` or `audit`, or its
            URL.
        output: File to write, or its URL: `.csv` for the rows, `.npy` for the features,
            `.parquet` for both (default: only counts and checks the shards).
    """

    shards: str | None = None
    output: str | None = None
