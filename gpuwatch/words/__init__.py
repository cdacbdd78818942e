"""The vocabulary, as data: standard library only."""

# What the hook needs of it. Copied beside the hook into each run, so: Python 3.8, and no imports of ours.
WITH_HOOK = ("__init__", "exchanges", "images", "masking", "pipelines", "source_code")
