"""What a device did with its time, from a trace: a partition into classes, and what the step would be without each."""
