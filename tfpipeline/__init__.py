"""From a folder of pictures to a served classifier, looked into and attacked.

The map of the house:

- *Verbs* (`train`, `evaluate`, `predict`, `export`, `serve`, `synthesize`, `features`,
  `attack`, `study`, `audit`, `pack`, `benchmark`) are the commands
  ``python -m tfpipeline.<verb>``; they call rooms and write files.
  ``python -m tfpipeline.report`` makes pages of what they wrote.
- The *workflow* (`workflow`) joins rooms for the verbs.
- *Rooms* (`data`, `demo`, `models`, `training`, `evaluation`, `synthesis`,
  `adversarial`, `serving`, `report`, `distribution`) compute; none of them imports
  another, but `distribution`, which loops stand on.
- *Ground* (`atomic`, `cli`, `cluster`, `config`, `config_adversary`, `config_attack`,
  `config_benchmark`, `config_serving`, `config_study`, `config_synthesis`,
  `config_training`, `errors`, `formats`, `images`, `interruption`, `machine`,
  `manifest`, `runs`, `sheets`) is shared by all.
"""

__version__ = "0.1.0"
