"""A small agent gateway that embeds the coordinator: run it with `python -m gateway`."""
