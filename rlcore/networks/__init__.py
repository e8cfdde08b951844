"""Networks to build models from."""

from rlcore.networks.cnn import CNN
from rlcore.networks.mlp import MLP

__all__ = ["CNN", "MLP"]
