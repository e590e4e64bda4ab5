"""A stand-in for any model provider with an OpenAI-compatible interface: run it with `python -m gateway.model`."""
