"""Many runs: read each once, keep its rows in a Parquet dataset, and summarise what they cost.

places (which run folders there are) -> an engine reads those that changed (reading, rows) -> dataset -> summary.
"""
