"""The data that the parts of gpuwatch hand each other: frozen dataclasses, standard library only.

Three layers, each made from the one above by plain functions:

`Recording`  what was stored: the run's metadata and one log of raw events per process
`Profile`    what was derived: per rank, loader, operation, device; what the rules read
`Report`     what is said: verdict, phases, findings; what the views read and `--json` prints

Times called `*_ns` are `time.monotonic_ns` of the host unless the name says otherwise, `*_s` are
seconds, shares are 0..1. `None` means "not measured"; zero was measured.
"""
