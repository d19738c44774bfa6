"""Settings of the command `attack`."""

from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.config.adversary import AdversarySettings


@dataclass(frozen=True)
class AttackSettings:
    """Settings of `attack`.

    Args:
        images: Photographs: files, folders, or globs.
        output: Folder for images, figures and `attack.json`.
        run: Run folder of the network to attack (default: the network set by
            `--model.*`).
        target: Class (name or number) that the network should predict (default: any
            wrong class).
        epsilon: Largest perturbation in `norm`, for images in [0, 1]: `4/255`, `0.5`.
        norm: Norm in which epsilon is measured: `linf`, `l2`, or `l1`.
        preset: `best`, or `lesson` (the original lesson's method, for comparison).
        minimal: Whether to search for the smallest perturbation of each photograph as
            well.
        epsilons: Further radii at which accuracy is measured, such as `2/255 4/255`
            (default, for several photographs: half of epsilon, epsilon, and twice
            epsilon).
        together: Networks that the same image must fool as well: backbones or run
            folders.
        judges: Networks that took no part in the attack and classify its results.
        matrix: Whether to attack each of these networks alone as well, and have the
            others classify the results.
        jpeg: JPEG qualities at which the results are saved and classified again.
        defences: Input defences, each attacked without and with an attack adapted to
            it: `jpeg:75`, `bit_depth:4`, `smoothing:3`; the random defences `noise:8`
            and `resize_pad:80` are averaged over draws.
        full_size: Whether to also apply the perturbation to each photograph at its
            original size; only with `--resize squash`.
        figures: Largest number of photographs that get a figure; null: all.
            `attack.csv` and `attack.json` always contain all photographs.
        seed: Random seed of everything.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: How a photograph is made square: `squash` (change the aspect ratio),
            `crop` (keep the middle), or `pad` (default: as the run, otherwise
            `squash`).
        max_pixels: Largest height times width of a photograph, in pixels; larger
            photographs are rejected.
        model: Network, if `run` is not given.
        adversary: Attack.
        distribute: Devices.
    """

    images: list[str] = field(default_factory=list)
    output: str = "attack"
    run: str | None = None
    target: str | int | None = None
    epsilon: str | float = "4/255"
    norm: str = "linf"
    preset: str = "best"
    minimal: bool = False
    epsilons: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    judges: list[str] = field(default_factory=list)
    matrix: bool = False
    jpeg: list[str] = field(default_factory=lambda: ["95", "75", "50"])
    defences: list[str] = field(default_factory=list)
    full_size: bool = False
    figures: int | None = 60
    seed: int = 0
    overwrite: bool = False
    resize: str | None = None
    max_pixels: int = 250_000_000
    model: ModelSettings = field(default_factory=ModelSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
