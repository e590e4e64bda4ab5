"""One file per contender; a new one needs `CONTENDER` and nothing else."""
