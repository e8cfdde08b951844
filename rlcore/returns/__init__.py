"""Returns and advantages: what rewards are worth to the steps before them."""

from rlcore.returns.batch import flatten_batch
from rlcore.returns.bootstrapped import generalized_advantage_estimation, lambda_returns, n_step_returns
from rlcore.returns.discounted import discount_rewards, discount_rewards_reduced

__all__ = [
    "discount_rewards",
    "discount_rewards_reduced",
    "flatten_batch",
    "generalized_advantage_estimation",
    "lambda_returns",
    "n_step_returns",
]
