"""An environment that costs as good as nothing: the same observation each time, an episode of 200 steps."""

import numpy as np


def install(module):
    def step(self, action):
        self._wild_steps = getattr(self, "_wild_steps", 0)
        self._wild_steps += 1
        ended = self._wild_steps % 200 == 0
        return np.array(self.state, dtype=np.float32), 1.0, ended, False, {}

    module.CartPoleEnv.step = step


after_import("gymnasium.envs.classic_control.cartpole", install)  # noqa: F821 (given to patches)
