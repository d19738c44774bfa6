#!/bin/bash
# Features of many pictures as a SLURM job array: tasks that know nothing of each other.
# Command:  sbatch configs/cluster/embed_slurm.sh
# Needs:    Python with tfpipeline on every node, and a folder that all nodes see.
# Change:   what is marked so below. Nobody has run this file on a cluster yet; the tests
#           run it with a stand-in for python.
#
# Each task computes its share of the shards. One that is killed loses the shard that it
# was at; given again, the file computes what is missing, with the same bytes. In the
# end: python -m tfpipeline.merge FOLDER says what is missing, or joins the shards.
#SBATCH --job-name=tfpipeline-embed
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue
# Change: the lines above. The size of the array is the number of shares.

set -u
# Change: a folder that all nodes see, with the pictures in data/. The pretrained weights
# are in keras/models/ there: put them there before, or all tasks download at once.
shared="${SHARED:-$HOME/tfpipeline}"
export KERAS_HOME="$shared/keras"

# Change: how Python with tfpipeline is found, e.g.
# source "$shared/venv/bin/activate"

# Change: the flags. `tfpipeline.predict --model RUN` takes the same ones.
exec python -m tfpipeline.embed "$shared/data" \
    --model.backbone MobileNetV2 \
    --output "$shared/features" \
    --part auto
