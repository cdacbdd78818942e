"""Recording -> Profile: plain functions over what was stored, a folder for each question."""
