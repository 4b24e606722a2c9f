#!/bin/bash
# One run of train.py on several nodes of a Slurm cluster: sbatch configs/cluster/slurm.sh
# Data and run lie on a file system that all nodes share. A run whose worker was lost is queued again, and goes on.
#SBATCH --job-name=gaze-train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail
export PORT=${PORT:-29400}
export TRAIN=${TRAIN:-"python train.py --config configs/paper.yaml --data datasets/mine --run runs/mine"}

srun --kill-on-bad-exit=1 bash -c '
    workers=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/.*/\"&:$PORT\"/" | paste -sd, -)
    export TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
    exec $TRAIN --distribute multiworker
'
code=$?
# 2: bad input, or a lost worker. Only the second is worth another try; a job that was queued ten times is left alone.
if [ "$code" -ne 0 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 10 ] && [ -d "${RUN_CHECKPOINTS:-runs/mine/checkpoints}" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
