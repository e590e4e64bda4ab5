"""One file per family of workloads; a new one needs `WORKLOADS` and nothing else."""
