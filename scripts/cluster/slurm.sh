#!/bin/bash
# One training on Slurm: `sbatch scripts/cluster/slurm.sh experiment=wav2lip run_dir=/shared/run1`.
# Nodes and GPUs are those of the lines below; trainer.devices and num_nodes must say the same.
#SBATCH --job-name=w2l
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@300
# 300 s ahead of the time limit each process is told; the run writes a checkpoint and is requeued.
set -euo pipefail
export OMP_NUM_THREADS=1
exec srun .venv/bin/python train.py "$@" trainer=ddp trainer.num_nodes=2 trainer.devices=4 resume=auto
