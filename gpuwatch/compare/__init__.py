"""Reports compared: with another run, or with the limits of a gate."""
