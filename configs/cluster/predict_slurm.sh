#!/bin/bash
# Predictions of many pictures as a SLURM job array: tasks that know nothing of each other.
# Command:  sbatch configs/cluster/predict_slurm.sh
# Needs:    Python with tfpipeline on every node, and a folder that all nodes see, with
#           pictures in data/ and a run in runs/first/.
# Change:   what is marked so below. Nobody has run this file on a cluster yet; the tests
#           run it with a stand-in for python.
#
# Each task computes its share of the shards. One that is killed loses the shard that it
# was at; given again, the file computes what is missing, with the same bytes. In the
# end: python -m tfpipeline.merge FOLDER says what is missing, or joins the shards.
#SBATCH --job-name=tfpipeline-predict
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue
# Change: the lines above. The size of the array is the number of shares.

set -u
# Change: a folder that all nodes see.
shared="${SHARED:-$HOME/tfpipeline}"

# Change: how Python with tfpipeline is found, e.g.
# source "$shared/venv/bin/activate"

# Change: the flags.
exec python -m tfpipeline.predict "$shared/data" \
    --model "$shared/runs/first" \
    --output "$shared/predictions" \
    --part auto
