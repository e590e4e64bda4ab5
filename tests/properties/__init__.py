"""What holds for any file, any record and any order of calls, tried with hypothesis.

`make test` tries the same few examples each time, `python -m tests.properties` new ones for as long as it is told.
"""
