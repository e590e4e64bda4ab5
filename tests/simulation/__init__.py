"""The real coordinator on a simulated loop, disk and clock: what could happen otherwise is drawn from a tape."""
