"""Networks to build models from, and the densities of the distributions that they parameterise."""

from rlcore.networks.actor_critic import ActorCritic
from rlcore.networks.categorical import CategoricalNetwork
from rlcore.networks.cnn import CNN
from rlcore.networks.cov_gaussian import CovGaussianNetwork
from rlcore.networks.densities import diag_norm_log_pdf, mv_norm_log_pdf, norm_log_pdf, tanh_log_det
from rlcore.networks.divergences import diag_norm_kl_divergence, mv_norm_kl_divergence, norm_kl_divergence
from rlcore.networks.dueling import DuelingNetwork
from rlcore.networks.gaussian import GaussianNetwork, SoftGaussianNetwork
from rlcore.networks.mlp import MLP
from rlcore.networks.noisy import NoisyLinear
from rlcore.networks.perturbation import PerturbationNetwork
from rlcore.networks.split import SplitNetwork
from rlcore.networks.triangular import cholesky_matrix_to_vector_index, log_det_cholesky, vec_to_tril
from rlcore.networks.vae import VAE, vae_loss

__all__ = [
    "ActorCritic",
    "CNN",
    "CategoricalNetwork",
    "CovGaussianNetwork",
    "DuelingNetwork",
    "GaussianNetwork",
    "MLP",
    "NoisyLinear",
    "PerturbationNetwork",
    "SoftGaussianNetwork",
    "SplitNetwork",
    "VAE",
    "cholesky_matrix_to_vector_index",
    "diag_norm_kl_divergence",
    "diag_norm_log_pdf",
    "log_det_cholesky",
    "mv_norm_kl_divergence",
    "mv_norm_log_pdf",
    "norm_kl_divergence",
    "norm_log_pdf",
    "tanh_log_det",
    "vae_loss",
    "vec_to_tril",
]
