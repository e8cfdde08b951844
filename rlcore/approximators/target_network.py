"""A network with an older copy of itself to learn from."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from gymnasium import Space

from rlcore.approximators.approximator import Approximator
from rlcore.approximators.blueprint import answer, as_arrays
from rlcore.approximators.host import host_views
from rlcore.approximators.tree import is_float, own
from rlcore.arguments import check_number, check_whole, named
from rlcore.errors import ConfigError
from rlcore.struct import cached, is_traced, static, struct


@struct
class TargetNetwork:
    """An `Approximator`, and a copy of all its variables that follows more slowly.

    After every `sync_freq`-th call of `optimise`: target = rho * target + (1 - rho) * online; whole numbers and
    random streams are just copied. It answers everything that an `Approximator` does; `target` and `target_model`
    speak of the copy.

    Args:
        approximator: The network that learns.
        sync_freq: Updates from one synchronisation to the next, at least 1.
        rho: How much of the target is kept, in `[0, 1]`; 0 copies, 1 never changes it.

    Attributes:
        target_parameters: The copy of the parameters, nested dicts.
        target_variables: The copy of all other variables, such as batch statistics.

    Source: Julia `TargetNetwork`.
    """

    approximator: Approximator
    target_parameters: Any
    target_variables: Any
    _n_updates: Any  # since the last synchronisation
    sync_freq: int = static(1)
    rho: float = static(0.0)
    _views: Any = cached()  # of the target

    def __init__(self, approximator: Approximator, sync_freq: int = 1, rho: float = 0.0) -> None:
        """Copies the variables of `approximator`.

        Raises:
            ConfigError: `approximator` is something else, `sync_freq` below 1 or `rho` outside `[0, 1]`.
        """
        if not isinstance(approximator, Approximator):
            raise ConfigError(
                f"approximator is {named(approximator)}, expected an Approximator(model, optimiser): only a network "
                "that learns from gradients can have a target copy, and only one"
            )
        self.approximator = approximator
        self.sync_freq, self.rho = check_whole("sync_freq", sync_freq), check_number("rho", rho, 0, 1)
        self.target_parameters, self.target_variables = own(approximator.parameters), own(approximator.variables)
        self._n_updates = jnp.asarray(0, jnp.int32)

    @property
    def parameters(self) -> Any:
        """The parameters of the network that learns. Setting them sets those of the target as well.

        Raises:
            ConfigError: As `Approximator.parameters`.
        """
        return self.approximator.parameters

    @parameters.setter
    def parameters(self, parameters: Any) -> None:
        self.approximator.parameters = parameters
        self.target_parameters = own(self.approximator.parameters)
        self._n_updates = jnp.asarray(0, jnp.int32)

    @property
    def variables(self) -> Any:
        """All other variables of the network that learns; see `Approximator`."""
        return self.approximator.variables

    @variables.setter
    def variables(self, variables: Any) -> None:
        self.approximator.variables = variables

    @property
    def optimiser_state(self) -> Any:
        """What the optimiser keeps."""
        return self.approximator.optimiser_state

    @optimiser_state.setter
    def optimiser_state(self, optimiser_state: Any) -> None:
        self.approximator.optimiser_state = optimiser_state

    @property
    def is_finite(self) -> Any:
        """Whether all updates were finite."""
        return self.approximator.is_finite

    @property
    def is_noisy(self) -> bool:
        """Whether the network has a `NoisyLinear` layer."""
        return self.approximator.is_noisy

    @property
    def state_ndim(self) -> int | None:
        """Axes of one state, `None` before `check`."""
        return self.approximator.state_ndim

    @property
    def model(self) -> nnx.Module:
        """A copy of the module that learns, in evaluation mode."""
        return self.approximator.model

    @property
    def target_model(self) -> nnx.Module:
        """A copy of the module in evaluation mode, with the variables of the target."""
        graph = self.approximator._fixed.value.evaluation
        return nnx.merge(graph, own(self.target_parameters), own(self.target_variables))

    def forward(self, x: Any, parameters: Any = None, key: Any = None) -> Any:
        """The outputs of the network that learns; see `Approximator.forward`."""
        return self.approximator.forward(x, parameters, key)

    def target(self, x: Any, key: Any = None) -> Any:
        """The outputs of the target in evaluation mode, shapes as those of `forward`; `key`: as there."""
        network, x, held = self.approximator, as_arrays(x), (self.target_parameters, self.target_variables)
        if key is not None or x.__class__ is not np.ndarray or any(map(is_traced, jax.tree.leaves(held))):
            return answer(network._fixed, network.state_ndim, *held, x, key)
        self._views = host_views(self._views, network._fixed, network.state_ndim, *held)
        return self._views.forward(x)

    def noise_key(self) -> Any:
        """A key that is another one after every update; see `Approximator.noise_key`."""
        return self.approximator.noise_key()

    def merge(self, parameters: Any) -> nnx.Module:
        """The module in training mode that holds `parameters`; see `Approximator.merge`."""
        return self.approximator.merge(parameters)

    def optimise(self, gradients: Any) -> None:
        """One step of the optimiser, then the synchronisation if it is due; traceable."""
        self.approximator.optimise(gradients)
        self._n_updates = (self._n_updates + 1) % self.sync_freq
        online = (self.approximator.parameters, self.approximator.variables)
        target = (self.target_parameters, self.target_variables)
        is_due = self._n_updates == 0
        mixed = jax.tree.map(lambda new, old: jnp.where(is_due, self._mix(new, old), old), online, target)
        self.target_parameters, self.target_variables = mixed

    def _mix(self, online: Any, target: Any) -> Any:
        if self.rho == 0 or not is_float(online):
            return online
        return self.rho * target + (1 - self.rho) * online

    def check(self, state_space: Space) -> Any:
        """Tries the network on states of `state_space`; see `Approximator.check`."""
        return self.approximator.check(state_space)
