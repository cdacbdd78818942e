"""Play once, then learn from that rollout again and again: what the training costs without the rollouts."""


def install(module):
    learner = module.OnPolicyAlgorithm
    collect = learner.collect_rollouts

    def collect_rollouts(self, env, callback, rollout_buffer, n_rollout_steps):
        if rollout_buffer.full:
            self.num_timesteps += n_rollout_steps * env.num_envs
            return True
        return collect(self, env, callback, rollout_buffer, n_rollout_steps)

    learner.collect_rollouts = collect_rollouts


after_import("stable_baselines3.common.on_policy_algorithm", install)  # noqa: F821 (given to patches)
