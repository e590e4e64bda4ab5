"""How fast it is, as ratios within one run: `make bench`, `make bench-quick`; `README.md` here says how to read it."""
