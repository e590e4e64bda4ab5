"""The protocol as a model for spin, complete within its bounds, beside the broken variants that have to fail."""
