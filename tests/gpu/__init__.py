"""Checks that need an NVIDIA GPU, and what of them can be exercised without one.

    scripts/gpu_check            on a machine with a GPU: everything, under ten minutes; a table, and a JSON result
    scripts/gpu_check --cpu      without one: the same training, bare and wrapped, on the CPU

It needs torch, torchvision and Pillow; psutil, numpy and nvidia-ml-py for the sampler and the report (on a machine
without a package index: wheels in a folder on PYTHONPATH). What is missing is named in the result and skipped.

    outcome.py    one check's outcome, the table and the result file
    training.py   the training that is run: its own clock, and with --profile torch.profiler, are the truth
    idle.py       how long the GPU stood still while a batch was awaited, from a profiler trace
    runs.py       that training bare and wrapped, device-bound and loader-bound, interleaved
    driver.py     NVML and GPM against what the test double (tests/doubles/nvml) assumes

Results are kept in `results/<date>-<card>.json`, with a short NVML trace beside each that the double can replay.
"""
