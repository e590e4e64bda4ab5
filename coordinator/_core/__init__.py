"""The pure core: no await, no file, no clock, no log. Start reading at `_machine`."""
