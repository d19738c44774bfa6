"""Settings of `predict`."""

from dataclasses import dataclass, field

from tfpipeline.config.serving import ServerSettings


@dataclass(frozen=True)
class PredictSettings:
    """What `predict` can be told.

    Args:
        model: The folder of a finished run; a SavedModel that `export` wrote, or the
            folder above its versions (the stable one is taken, or the newest); or the
            address of a server, `http://HOST:PORT/v1/models/NAME` or
            `grpc://HOST:PORT/NAME`, perhaps with `/labels/stable` or `/versions/N`.
        images: Files, folders, or globs.
        output: A file in `.csv` or `.jsonl`; null writes CSV to the screen.
        top_k: How many classes to name, best first; of an exported model at most as
            many as it was exported with.
        server: How a server is asked.
    """

    model: str | None = None
    images: list[str] = field(default_factory=list)
    output: str | None = None
    top_k: int = 3
    server: ServerSettings = field(default_factory=ServerSettings)
