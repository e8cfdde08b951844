"""Swings up a pendulum with a Gaussian policy that learns by soft actor-critic, a learner written here.

The policy draws a torque from a normal distribution squashed into (-1, 1). Two critics value states and torques; the
lower of the two values counts. Gradients flow from it through the drawn torque into the distribution, which is also
paid for being wide (Haarnoja et al. 2018, arXiv 1801.01290; its temperature is fixed here).

python examples/gaussian_policy.py [--seed 1] [--quick]
"""

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from gymnasium.spaces import Box

from rlcore import (
    MLP,
    Agent,
    Approximator,
    BatchSampler,
    CircularTraces,
    Experiment,
    InsertSampleRatioController,
    StopAfterNSteps,
    TargetNetwork,
    TotalRewardPerEpisode,
    Trajectory,
    as_environment,
    evaluate,
)
from rlcore.environments import Pendulum
from rlcore.interfaces import Learner
from rlcore.networks import SoftGaussianNetwork
from rlcore.policies import StochasticPolicy
from rlcore.random import Random
from rlcore.struct import static, struct


class TwinCritic(nnx.Module):
    """Two values for each state and action."""

    def __init__(self, n_inputs: int, rngs: nnx.Rngs) -> None:
        self.first, self.second = (MLP(n_inputs, (64, 64), 1, rngs=rngs) for _ in range(2))

    def __call__(self, pair: tuple[Any, Any]) -> jax.Array:
        """States `[..., S]` and actions `[..., A]` to values `[..., 2]`."""
        inputs = jnp.concatenate(pair, axis=-1)
        return jnp.concatenate([self.first(inputs), self.second(inputs)], axis=-1)


@struct
class SoftActorCritic(Learner):
    """Moves the critics towards what they say of the next state, and the actor towards what the critics like."""

    approximator: Any  # the actor
    critics: Any
    random: Random
    gamma: float = static(0.98)
    temperature: float = static(0.2)

    def __init__(self, actor, critics):
        self.approximator, self.critics, self.random = actor, critics, Random()

    def forward(self, state):
        return self.approximator.forward(state)

    def update(self, batch):
        actor, critics, key = self.approximator, self.critics, self.random.key()
        next_action, next_log_prob = actor.merge(actor.parameters).sample(batch.next_state, self.random)
        next_value = critics.target((batch.next_state, next_action)).min(-1) - self.temperature * next_log_prob
        target = batch.reward + jnp.where(batch.terminated, 0.0, self.gamma * next_value)

        def critic_loss(parameters):
            values = critics.forward((batch.state, batch.action), parameters)
            return ((values - target[:, None]) ** 2).mean()

        def actor_loss(parameters):
            action, log_prob = actor.merge(parameters).sample(batch.state, key)
            value = critics.forward((batch.state, action), critics.parameters).min(-1)
            return (self.temperature * log_prob - value).mean(), -log_prob.mean()

        loss, critic_gradients = jax.value_and_grad(critic_loss)(critics.parameters)
        actor_gradients, entropy = jax.grad(actor_loss, has_aux=True)(actor.parameters)
        critics.optimise(critic_gradients)
        actor.optimise(actor_gradients)
        return {"loss": loss, "entropy": entropy}


def make_environment(num_envs: int | None = None) -> Any:
    """The pendulum, for a policy whose torque of 1 is the strongest one, 2 N m."""
    return as_environment(Pendulum(), action=(lambda torque: 2 * torque, Box(-1.0, 1.0, (1,))), num_envs=num_envs)


def make_experiment(seed: int, n_steps: int) -> Experiment:
    """A Gaussian actor, twin critics with a target, uniform replay, an update after every step."""
    rngs = nnx.Rngs(seed)
    body = nnx.Sequential(MLP(3, (64,), 64, rngs=rngs), nnx.relu)
    std = nnx.Sequential(nnx.Linear(64, 1, rngs=rngs), nnx.softplus)
    actor = Approximator(SoftGaussianNetwork(nnx.Linear(64, 1, rngs=rngs), std, body, min_std=0.01), optax.adam(1e-3))
    critics = TargetNetwork(Approximator(TwinCritic(4, rngs), optax.adam(1e-3)), rho=0.99)
    memory = Trajectory(CircularTraces(20_000), BatchSampler(128), InsertSampleRatioController(1, threshold=500))
    agent = Agent(StochasticPolicy(SoftActorCritic(actor, critics)), memory)
    return Experiment(agent, make_environment(), StopAfterNSteps(n_steps), TotalRewardPerEpisode(), seed=seed)


def main() -> None:
    """Trains, and evaluates the mean of the distribution."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2,000 steps only, to see that everything works")
    arguments = parser.parse_args()

    experiment = make_experiment(arguments.seed, 2_000 if arguments.quick else 12_000).run()
    print(experiment.engine)
    print("return of every tenth episode:", *(round(each) for each in experiment.hook.result()[::10]))
    returns, _ = evaluate(experiment.policy, make_environment(50), n_episodes=50, seed=arguments.seed + 1)
    print(f"without noise over 50 fresh episodes: {returns.mean():.0f} ± {returns.std():.0f}")


if __name__ == "__main__":
    main()
