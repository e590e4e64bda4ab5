"""The demo: one agent gateway, played without the coordinator, with it, and with an intruder.

Read `_coordinated.py` first: it is the whole of what a gateway has to do. `_naive.py` beside it is what gateways do
today. Everything else is the world around them: a model server and an intruder (real second processes), the parts of
a gateway, and a judge that reads the resulting files without the library's help. In a checkout the coordinated rounds
are played by `examples/gateway`, a process of its own, and the parts are its clients (`_over_http.py`).
"""

from ._show import show as show
