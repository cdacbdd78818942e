"""The frame of ours that stands between the training and torch's `__next__`.

Python leaves frames whose file is named like the import machinery's ("importlib" and "_bootstrap" in its path) out when
it looks for the place of a warning (warnings.warn, `stacklevel`). Hence this file's name: what torch warns of in
`__next__` goes on naming the user's own line.
"""

import functools
import time

from .step_sampling import pace

now_ns = time.monotonic_ns


def giving(original, asked, given, paused):
    """Wrap `__next__` of an iterator: steps are told in full (`asked` before, `given` after), or only timed until
    `paused`."""

    @functools.wraps(original)
    def __next__(self):
        record = self._gpuwatch
        if record is None:
            return original(self)
        steps = record.steps
        if steps is not None:
            asked_ns = now_ns()
            try:
                batch = original(self)
            except BaseException as ending:
                paused(self, record, asked_ns, now_ns(), ending)
                raise
            given_ns = now_ns()
            if given_ns < pace.until_ns and record.steps is steps:  # a loader inside this one's data set may end it
                steps += (asked_ns, given_ns)
            else:
                paused(self, record, asked_ns, given_ns, None)
            return batch
        if record.making:
            return original(self)
        account, seen, asked_ns = asked(self, record)
        try:
            batch = original(self)
        except BaseException as ending:
            given(self, record, account, seen, asked_ns, now_ns(), ending)
            raise
        given(self, record, account, seen, asked_ns, now_ns(), None)
        return batch

    return __next__
