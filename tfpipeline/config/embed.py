"""Settings of `embed` and `merge`: features of any number of pictures."""

from dataclasses import dataclass, field

from tfpipeline.config.beam import LOCAL, BeamSettings
from tfpipeline.config.model import ModelSettings


@dataclass(frozen=True)
class EmbedSettings:
    """Settings of `embed`.

    Args:
        images: Files, folders or globs; a `.txt` with a path in each line, a `.csv`
            with a column `path`, a folder of `pack`, or URLs.
        output: Folder for the shards, where an interrupted command resumes.
        run: Run folder whose network computes the features, or a SavedModel that
            `export` wrote (default: the network set by `--model.*`).
        dtype: Type of the features: `float32` or `float16`.
        format: Of the shards: `numpy`, a `.npy` of vectors beside a `.csv` of rows; or
            `parquet`, both in one file.
        shard_images: Pictures a shard; one that was interrupted is computed again.
        part: Which share of the shards this process computes, from 0; `auto` is the
            task's number in a job array of SLURM, Kubernetes or AWS Batch.
        parts: How many shares there are (default: 1, or the size of the job array).
        workers: Processes on this machine that share the work.
        runner: What hands out shards: `local`, this command; or `beam`, Apache Beam.
        batch_size: Pictures a step; changes features by rounding errors only.
        resize: How a picture becomes square: `squash`, `crop` or `pad` (default: that
            of the run, otherwise `squash`).
        range: Black and white of pictures with more than 8 bits, `full` or `"LOW
            HIGH"`, where files declare none; a run has its own.
        max_pixels: Height times width of a picture, at most; more is not opened.
        overwrite: Whether to replace shards of other work in `output`.
        model: The network.
        beam: What Apache Beam is told, with `--runner beam`.
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
    model: ModelSettings = field(default_factory=ModelSettings)
    beam: BeamSettings = field(default_factory=BeamSettings)


@dataclass(frozen=True)
class MergeSettings:
    """Settings of `merge`.

    Args:
        shards: Folder of the shards that `embed` or `predict` wrote.
        output: A file for what is in all of them: rows in `.csv`, features in `.npy`,
            or `.parquet` (default: the shards are counted and checked, and nothing is
            written).
    """

    shards: str | None = None
    output: str | None = None
