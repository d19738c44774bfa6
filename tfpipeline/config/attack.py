"""Settings of the command `attack`."""

from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.config.adversary import AdversarySettings


@dataclass(frozen=True)
class AttackSettings:
    """What `attack` can be told.

    Args:
        images: Photographs: files, folders, or globs.
        output: Folder for the pictures, figures and `attack.json`.
        run: The folder of a finished run to attack; null is the network of `model`.
        target: Class (name or number) that the network is to see; null: any wrong one.
        epsilon: How large the perturbation may be, of values in [0, 1]: `4/255`, `0.5`.
        norm: In which epsilon is measured: `linf`, `l2`, or `l1`.
        preset: `best`, or `lesson` (that of the lesson this project grew from, with its
            two pixel spaces, beside the right one).
        minimal: Whether to look for each photograph's smallest perturbation as well.
        epsilons: Radii at which the accuracy is measured as well, `2/255 4/255`; none
            is half, once and twice epsilon, where there are several photographs.
        together: Networks that have to be fooled by the same picture: backbones, or
            folders of runs.
        judges: Networks that took no part and are shown the pictures.
        matrix: Whether each of these networks is attacked alone as well, and its
            pictures are shown to the others.
        jpeg: Qualities at which the pictures are kept as JPEG and shown again.
        defences: Input defences, attacked without and with knowledge of them:
            `jpeg:75`, `bit_depth:4`, `smoothing:3`; `noise:8` and `resize_pad:80` are
            random, and expected over.
        full_size: Whether the perturbation is carried back to each photograph's own
            size as well; only of squashed ones, not with `--resize crop` or `pad`.
        figures: Photographs that get a figure: so many of the first, and of those that
            withstood; null is all. Pictures, `attack.csv` and `attack.json` have all.
        seed: Of all draws.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: How a photograph becomes square: `squash`, `crop`, or `pad`; null is as
            the run did, `squash` without a run.
        max_pixels: Height times width of a photograph, at most; more is not opened.
        model: The network, if it is not that of a run.
        adversary: How the perturbation is looked for.
        distribute: The devices.
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
