"""The vocabulary, as data: standard library only."""
