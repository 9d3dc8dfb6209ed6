#!/bin/bash
# An album in 16 shards, one a task of an array:
#   jid=$(sbatch --parsable examples/slurm-array.sh)
#   sbatch --dependency=afterany:$jid --wrap "persam merge results/shard-* --into results/all"
# A task that failed or was stopped goes on: sbatch --array=5 examples/slurm-array.sh
#SBATCH --job-name=persam
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

ALBUM=${ALBUM:-/data/photos}
CONCEPT=${CONCEPT:-dog.safetensors}
shard=$SLURM_ARRAY_TASK_ID/16

# exec: the signal two minutes before the end reaches persam, which then leaves whole files.
exec persam segment --concept "$CONCEPT" "$ALBUM" --recursive --quiet \
  --shard "$shard" --out "results/shard-$SLURM_ARRAY_TASK_ID"
