"""Whole profiles in one line, for the cases of rules: consistent with themselves, every field open to change."""
