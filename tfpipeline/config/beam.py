"""Settings of Apache Beam, where it drives the work on shards."""

from dataclasses import dataclass

LOCAL, BEAM = "local", "beam"
RUNNERS = (LOCAL, BEAM)


@dataclass(frozen=True)
class BeamSettings:
    """Settings of Apache Beam.

    Args:
        options: Pipeline options of Apache Beam, as one string, such as
            `"--runner=FlinkRunner --flink_master=HOST:8081"` (default: FnApiRunner, in
            this process).
        cores: Number of cores that each worker process may use (default: an equal part
            of this machine's if `--direct_num_workers` sets the number of processes,
            otherwise all).
    """

    options: str = ""
    cores: int = 0
