"""Tests of the coordinator; README.md in this directory says what is where."""
