"""Power cuts: every write to a real ext4 is logged below it, and replayed up to any point."""
