"""Settings of Apache Beam, where it drives the work on shards."""

from dataclasses import dataclass

LOCAL, BEAM = "local", "beam"
RUNNERS = (LOCAL, BEAM)


@dataclass(frozen=True)
class BeamSettings:
    """Settings of Apache Beam.

    Args:
        options: What a runner of Beam is told, in its own words and in one text:
            `"--runner=FlinkRunner --flink_master=HOST:8081"`. Default: FnApiRunner, in
            this process.
        cores: That a worker process may keep busy (default: an equal part of this
            machine's where `--direct_num_workers` says how many there are, else all).
    """

    options: str = ""
    cores: int = 0
