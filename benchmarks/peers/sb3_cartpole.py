"""CartPole-v1 by stable-baselines3's DQN with the settings that rl-baselines3-zoo publishes.

    python sb3_cartpole.py [--transitions 50000]

One thread, which is faster for nets this small. The last line is JSON.
"""

import argparse
import json
import time

import gymnasium
import stable_baselines3
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transitions", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = DQN("MlpPolicy", gymnasium.make("CartPole-v1"), learning_rate=2.3e-3, batch_size=64,
                buffer_size=100_000, learning_starts=1000, gamma=0.99, target_update_interval=10,
                train_freq=256, gradient_steps=128, exploration_fraction=0.16,
                exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]},
                seed=given.seed)
    began = time.perf_counter()
    model.learn(given.transitions)
    learning = time.perf_counter() - began
    played = Monitor(gymnasium.make("CartPole-v1"))
    played.reset(seed=1000)
    mean, _ = evaluate_policy(model, played, n_eval_episodes=100, deterministic=True)
    print(json.dumps({"return": float(mean), "transitions": given.transitions,
                      "learning_seconds": learning,
                      "versions": {"stable-baselines3": stable_baselines3.__version__,
                                   "gymnasium": gymnasium.__version__,
                                   "torch": torch.__version__}}))


if __name__ == "__main__":
    main()
