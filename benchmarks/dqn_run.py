"""One DQN training on CartPole-v1 by one library, in this process, clocked from inside the environment class.

CartPole's own `step` and `reset` are wrapped, so that every library is seen by the same probe. The last line printed is
a JSON object: steps per second between two step counts (`--window`), or the seconds since the process was started until
the mean of the last 100 training returns reached a goal (`--goal`). Libraries are imported where they are used, because
each has its own virtual environment.

The setting is CleanRL's: hidden layers 120 and 84, Adam 2.5e-4, batches of 128 every 10 steps, squared error, target
copied every 500 steps, 10,000 transitions kept, learning from step 10,000 on, epsilon from 1 to 0.05.
"""

import argparse
import collections
import json
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from measure import versions

ENV = "CartPole-v1"
DISTRIBUTIONS = ("rlcore", "stable-baselines3", "sbx-rl", "torch", "jax", "flax", "gymnasium")
EXAMPLE = Path(__file__).parents[1] / "examples" / "dqn_cartpole.py"


class Done(BaseException):
    """Leaves a training from inside the environment; no library catches it."""


class Probe:
    """Counts the steps of all CartPoles of this process, and knows when to stop."""

    def __init__(self, window: tuple[int, int] | None, goal: float | None, max_steps: int, started: float) -> None:
        self.first, self.last = window or (-1, max_steps)
        self.goal, self.started = goal, started
        self.n_steps = 0
        self.began = self.ended = time.time()
        self.returns: collections.deque = collections.deque(maxlen=100)
        self.is_reached = False

    def install(self) -> None:
        step, reset, probe = CartPoleEnv.step, CartPoleEnv.reset, self

        def probed_step(env, action):
            probe.count()
            env.probed_steps = getattr(env, "probed_steps", 0) + 1
            return step(env, action)

        def probed_reset(env, *, seed=None, options=None):
            probe.finish(getattr(env, "probed_steps", 0))
            env.probed_steps = 0
            return reset(env, seed=seed, options=options)

        CartPoleEnv.step, CartPoleEnv.reset = probed_step, probed_reset

    def count(self) -> None:
        self.n_steps += 1
        if self.n_steps == self.first:
            self.began = time.time()
        elif self.n_steps >= self.last:
            self.ended = time.time()
            raise Done

    def finish(self, episode_return: int) -> None:
        """CartPole rewards every step with 1, so that an episode's return is its length."""
        if self.goal is None or not episode_return:
            return
        self.returns.append(episode_return)
        if len(self.returns) == 100 and sum(self.returns) >= 100 * self.goal:
            self.ended, self.is_reached = time.time(), True
            raise Done

    def result(self) -> dict:
        if self.goal is None:
            return {"steps_per_second": (self.last - self.first) / (self.ended - self.began)}
        mean = sum(self.returns) / max(1, len(self.returns))
        return {
            "seconds": self.ended - self.started,
            "is_reached": self.is_reached,
            "n_steps": self.n_steps,
            "mean_return": mean,
        }


def mlp(seed: int) -> object:
    from flax import nnx

    from rlcore.networks import MLP

    return MLP(4, (120, 84), 2, rngs=nnx.Rngs(seed))


def module_of_ones_own(seed: int, activation: Callable | None = None) -> object:
    """The same layers in a module that rlcore knows nothing of."""
    from flax import nnx

    activation = nnx.relu if activation is None else activation

    class Network(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.first, self.second = nnx.Linear(4, 120, rngs=rngs), nnx.Linear(120, 84, rngs=rngs)
            self.last = nnx.Linear(84, 2, rngs=rngs)

        def __call__(self, x):
            return self.last(activation(self.second(activation(self.first(x)))))

    return Network(nnx.Rngs(seed))


def compiled_module(seed: int) -> object:
    """One with an operation that NumPy has not, the error function, so that every action asks compiled code."""
    import jax

    return module_of_ones_own(seed, lambda x: jax.nn.gelu(x, approximate=False))


def train_rlcore(seed: int, n_steps: int, epsilon_steps: int, make_network: Callable[[int], object] = mlp) -> None:
    import optax

    from rlcore import Agent, Experiment, QBasedPolicy, StopAfterNSteps
    from rlcore.approximators import Approximator, TargetNetwork
    from rlcore.explorers import EpsilonGreedyExplorer
    from rlcore.learners import DQNLearner
    from rlcore.trajectories import BatchSampler, CircularTraces, InsertSampleRatioController, Trajectory

    network = Approximator(make_network(seed), optax.adam(2.5e-4))
    learner = DQNLearner(TargetNetwork(network, sync_freq=50), gamma=0.99)
    explorer = EpsilonGreedyExplorer(0.05, epsilon_init=1.0, decay_steps=epsilon_steps)
    controller = InsertSampleRatioController(ratio=1 / 10, threshold=10_000)
    trajectory = Trajectory(CircularTraces(10_000), BatchSampler(128), controller)
    agent = Agent(QBasedPolicy(learner, explorer), trajectory)
    Experiment(agent, ENV, StopAfterNSteps(n_steps, show_progress=False), seed=seed).run()


def train_rlcore_own_network(seed: int, n_steps: int, epsilon_steps: int) -> None:
    train_rlcore(seed, n_steps, epsilon_steps, module_of_ones_own)


def train_rlcore_compiled_network(seed: int, n_steps: int, epsilon_steps: int) -> None:
    train_rlcore(seed, n_steps, epsilon_steps, compiled_module)


def train_rlcore_compiled_network_inline(seed: int, n_steps: int, epsilon_steps: int) -> None:
    """With JAX's switch for small programs on a CPU: they run where they are called, not in another thread."""
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    train_rlcore_compiled_network(seed, n_steps, epsilon_steps)


def train_rlcore_example(seed: int, n_steps: int, epsilon_steps: int) -> None:
    """The example that the README starts, as it stands."""
    sys.argv = [str(EXAMPLE), "--seed", str(seed)]
    runpy.run_path(str(EXAMPLE), run_name="__main__")


def train_cleanrl_jax(seed: int, n_steps: int, epsilon_steps: int) -> None:
    if not hasattr(np, "bool8"):
        np.bool8 = np.bool_  # Gymnasium 0.29 with NumPy 2
    checkout = Path(os.environ["CLEANRL_DIR"])
    sys.path[:0] = [str(checkout), str(checkout / "cleanrl")]
    os.chdir(tempfile.mkdtemp())
    fraction = str(epsilon_steps / n_steps)
    sys.argv = [
        "dqn_jax.py",
        "--seed",
        str(seed),
        "--total-timesteps",
        str(n_steps),
        "--exploration-fraction",
        fraction,
    ]
    runpy.run_path(str(checkout / "cleanrl" / "dqn_jax.py"), run_name="__main__")


def train_sb3(seed: int, n_steps: int, epsilon_steps: int) -> None:
    import torch
    from stable_baselines3 import DQN

    torch.set_num_threads(1)  # its default collapses as soon as another process is busy
    DQN("MlpPolicy", ENV, seed=seed, device="cpu", **stable_baselines(n_steps, epsilon_steps)).learn(n_steps)


def train_sbx(seed: int, n_steps: int, epsilon_steps: int) -> None:
    from sbx import DQN

    DQN("MlpPolicy", ENV, seed=seed, **stable_baselines(n_steps, epsilon_steps)).learn(n_steps)


def stable_baselines(n_steps: int, epsilon_steps: int) -> dict:
    return {
        "learning_rate": 2.5e-4,
        "buffer_size": 10_000,
        "learning_starts": 10_000,
        "batch_size": 128,
        "gamma": 0.99,
        "train_freq": 10,
        "gradient_steps": 1,
        "target_update_interval": 500,
        "exploration_fraction": epsilon_steps / n_steps,
        "exploration_final_eps": 0.05,
        "policy_kwargs": {"net_arch": [120, 84]},
    }


TRAIN = {
    "rlcore": train_rlcore,
    "rlcore_own_network": train_rlcore_own_network,
    "rlcore_compiled_network": train_rlcore_compiled_network,
    "rlcore_compiled_network_inline": train_rlcore_compiled_network_inline,
    "rlcore_example": train_rlcore_example,
    "cleanrl_jax": train_cleanrl_jax,
    "sb3": train_sb3,
    "sbx": train_sbx,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=TRAIN, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, nargs=2, help="first and last step between which to clock")
    parser.add_argument("--goal", type=float, help="the mean of the last 100 training returns to reach")
    parser.add_argument("--max-steps", type=int, default=500_000)
    parser.add_argument("--epsilon-steps", type=int, default=250_000)
    parser.add_argument(
        "--started", type=float, default=time.time(), help="when the process was started, in time.time()"
    )
    arguments = parser.parse_args()
    probe = Probe(arguments.window, arguments.goal, arguments.max_steps, arguments.started)
    probe.install()
    try:
        TRAIN[arguments.library](arguments.seed, arguments.max_steps, arguments.epsilon_steps)
        probe.ended = time.time()
    except Done:
        pass
    print("\n" + json.dumps(probe.result() | {"versions": versions(*DISTRIBUTIONS)}), flush=True)
    os._exit(0)  # without what libraries do at exit


if __name__ == "__main__":
    main()
