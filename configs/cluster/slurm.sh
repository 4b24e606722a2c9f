#!/bin/bash
# One run of train.py on several nodes of a Slurm cluster: sbatch configs/cluster/slurm.sh
# Data, run and the folder it was submitted from lie on a file system that all nodes share. A run whose worker was lost is
# queued again, and goes on.
#SBATCH --job-name=gaze-train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail
export PORT=${PORT:-29400}
export TRAIN=${TRAIN:-"python train.py --config configs/paper.yaml --data datasets/mine --run runs/mine"}

# A worker that refuses its input leaves this file, so that the job is not tried again: the step's exit code is the
# highest of all tasks, and of those that are ended with it.
export REFUSED="$PWD/.gaze-train-${SLURM_JOB_ID:-0}.refused"
rm -f "$REFUSED"

srun --kill-on-bad-exit=1 bash -c '
    workers=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/.*/\"&:$PORT\"/" | paste -sd, -)
    export TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
    $TRAIN --distribute multiworker
    code=$?
    [ "$code" -eq 2 ] && touch "$REFUSED"
    exit "$code"
'
code=$?
# 75: a lost worker; above 128: a signal. Bad input is not worth another try; a job that was queued ten times is left alone.
if [ ! -e "$REFUSED" ] && { [ "$code" -eq 75 ] || [ "$code" -gt 128 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt 10 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
rm -f "$REFUSED"
exit "$code"
