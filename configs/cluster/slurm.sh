#!/bin/bash
# Several workers as a SLURM job: one task a worker, which SLURM itself numbers.
# Command:  sbatch configs/cluster/slurm.sh
# Needs:    Python with tfpipeline on every node, and a folder that all nodes see.
# Change:   what is marked so below. Nobody has run this file on a cluster yet; the tests
#           run it with stand-ins for srun and scontrol.
#
# Two minutes before the time limit the workers get SIGTERM, write a checkpoint and exit
# with code 143. The job then goes back into the queue and goes on from there.
#SBATCH --job-name=tfpipeline
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# Change: the lines above. With GPUs, one task a node uses all that it sees; with several
# tasks a node, each needs its own: add --gpus-per-task=1.

set -u
# Change: a folder that all nodes see, with the pictures in data/. The pretrained weights
# are in keras/models/ there: put them there before, or all workers download at once.
shared="${SHARED:-$HOME/tfpipeline}"
export KERAS_HOME="$shared/keras"

# Change: how Python with tfpipeline is found, e.g.
# source "$shared/venv/bin/activate"

# Change: the flags of the training. batch_size is that of all workers together. srun
# numbers the workers in the order of the nodes. Where one ends, the others are not
# killed: one may be writing the checkpoint, and who is left alone leaves by itself.
srun --distribution=block --kill-on-bad-exit=0 \
    python -m tfpipeline.train \
    --distribute.strategy multi_worker \
    --data.source "$shared/data" \
    --data.batch_size 128 \
    --model.backbone MobileNetV2 \
    --workdir "$shared/runs/first" \
    --cache_dir "$shared/cache"
status=$?

# srun gives the highest code of the tasks: 143 is a checkpoint on request, another one
# above 128 a worker that was killed, and 75 is given where only the others are left to
# tell of it. A mistake in the command is 2, and ends the job.
if [ "$status" -eq 143 ] ||
    { { [ "$status" -eq 75 ] || [ "$status" -gt 128 ]; } &&
        [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ]; }; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
