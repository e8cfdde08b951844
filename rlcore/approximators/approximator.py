"""A network with its optimiser."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from gymnasium import Space, spaces

from rlcore.approximators.blueprint import CompiledViews, answer, as_arrays, call, describe, evaluate
from rlcore.approximators.host import HostViews, are_close, host_views
from rlcore.approximators.state_shapes import state_shapes
from rlcore.approximators.tree import all_finite, check_alike, check_finite, handles_infinity, own, select
from rlcore.errors import ConfigError, shorten
from rlcore.fixed import Fixed
from rlcore.networks.noisy import noisy_layers
from rlcore.struct import cached, is_traced, static, struct

Array = np.ndarray | jax.Array


@struct
class Approximator:
    """A Flax NNX module and the Optax transformation that trains it.

    The module is copied: what becomes of it afterwards changes nothing here. Asked eagerly with NumPy states, a small
    network answers through NumPy where that has all of its operations, any other one through one compiled call. An
    update whose numbers are not finite is not applied; `is_finite` is false from then on and no later update is applied
    either, until `parameters` are set.

    Attributes:
        variables: All variables but the parameters (batch statistics, dropout streams): nested dicts, perhaps empty.
            Inside a loss they are what training has left in them so far: an update of your own returns them from the
            loss as an auxiliary output and assigns them here, as `Learner.update` does.
        optimiser_state: What the optimiser keeps.
        is_finite: Whether all updates were finite.
        state_ndim: Axes of one state, if the network needs a batch axis and gets one for a state that comes without;
            `None` if it takes states alone, and before `check`.

    Source: Julia `FluxApproximator`.
    """

    _parameters: Any
    _variables: Any
    optimiser_state: Any
    is_finite: Any
    _fixed: Fixed = static()
    state_ndim: int | None = static(None)
    _views: Any = cached()
    _noisy_views: Any = cached()
    _trained: Any = cached()  # the module of the loss under way, and the variables that it started from
    _before: Any = cached()  # the variables before that loss

    def __init__(self, model: nnx.Module, optimiser: optax.GradientTransformation) -> None:
        """Takes a copy of `model`.

        Raises:
            ConfigError: `model` is no NNX module, has no parameters or some that are not finite; `optimiser` is no
                Optax transformation.
        """
        self._fixed, parameters, variables = describe(model, optimiser)
        check_finite(parameters)
        self._parameters, self._variables = own(parameters), own(variables)
        self.optimiser_state = own(_first_state(self._fixed, self._parameters))
        self.is_finite = jnp.asarray(True)

    @property
    def parameters(self) -> Any:
        """The parameters, nested dicts of JAX arrays; gradients have the same structure.

        Setting them copies them, checks them, and makes `is_finite` true; the optimiser's state stays.

        Raises:
            ConfigError: They differ in structure or shape (all differences are listed), or are not finite.
        """
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: Any) -> None:
        check_alike(parameters, self._parameters)
        check_finite(parameters)
        self._parameters = jax.tree.map(_like, parameters, self._parameters)
        self.is_finite = jnp.asarray(True)

    @property
    def variables(self) -> Any:
        """See the class."""
        if self._trained is None or self._trained[1] is not self._variables:
            return self._variables
        return nnx.to_pure_dict(nnx.state(self._trained[0], nnx.Not(nnx.Param)))

    @variables.setter
    def variables(self, variables: Any) -> None:
        self._before, self._trained = self._variables, None
        self._variables, self._views, self._noisy_views = variables, None, None

    @property
    def model(self) -> nnx.Module:
        """A copy of the module in evaluation mode, with the parameters of now; changing it changes nothing."""
        return nnx.merge(self._fixed.value.evaluation, own(self._parameters), own(self.variables))

    @property
    def is_noisy(self) -> bool:
        """Whether the network has a `NoisyLinear` layer."""
        return self._fixed.value.noisy is not None

    @property
    def target_model(self) -> nnx.Module:
        """The same as `model`; a `TargetNetwork` has another one."""
        return self.model

    def forward(self, x: Any, parameters: Any = None, key: Any = None) -> Any:
        """The network's outputs.

        Args:
            x: States `[..., *state]`: an array, a number or list, or a dict or tuple of these.
            parameters: `None`: its own, in evaluation mode. Else these, in training mode, as a loss needs it.
            key: For the noise of a noisy network, in evaluation mode otherwise: a JAX key, or two whole numbers `[2]`
                below 2^31, which is quicker on the host. `None`: without noise.

        Returns:
            `[..., *output]`: NumPy arrays of the caller's own if `x` is NumPy or Python numbers and nothing is
            traced, else JAX arrays.

        Raises:
            ConfigError: The network can't take the states.
        """
        if parameters is not None:
            return call(self.merge(parameters), self.state_ndim, as_arrays(x))
        if key is not None:
            return self._draw(x, key)
        views = self._views
        if views is not None and views.parameters is self._parameters and x.__class__ is np.ndarray:
            return views.forward(x)
        return self._forward(x)

    def target(self, x: Any, key: Any = None) -> Any:
        """The same as `forward(x, key=key)`; a `TargetNetwork` answers with older parameters."""
        return self.forward(x, key=key)

    def __repr__(self) -> str:
        name = self._fixed.value.evaluation.nodes[0].type.__name__
        n = sum(leaf.size for leaf in jax.tree.leaves(self._parameters))
        return f"{type(self).__name__}({name}, {n:_} parameters)"

    def _forward(self, x: Any) -> Any:
        x = as_arrays(x)
        if x.__class__ is not np.ndarray or any(map(is_traced, jax.tree.leaves((self._parameters, self._variables)))):
            return answer(self._fixed, self.state_ndim, self._parameters, self.variables, x)
        self._views = host_views(self._views, self._fixed, self.state_ndim, self._parameters, self.variables)
        return self._views.forward(x)

    def _draw(self, x: Any, key: Any) -> Any:
        """The outputs with the noise that `key` gives, in one compiled call unless it is part of a trace already."""
        views, x, is_host = self._noisy_views, as_arrays(x), key.__class__ is np.ndarray
        if is_host and views is not None and views.parameters is self._parameters and x.__class__ is np.ndarray:
            return views.forward(x, key)
        if is_host and not any(map(is_traced, jax.tree.leaves(self._parameters))):
            self._noisy_views = CompiledViews(self._fixed, self.state_ndim, self._parameters, self.variables)
        return answer(self._fixed, self.state_ndim, self._parameters, self.variables, x, key)

    def noise_key(self) -> Any:
        """A JAX key that is another one after every update, for noise beside that of the loss; traceable."""
        network = nnx.merge(self._fixed.value.training, self._parameters, self.variables)
        return jax.random.fold_in(next(noisy_layers(network)).noise(), _BESIDE_THE_LOSS)

    def merge(self, parameters: Any) -> nnx.Module:
        """The module in training mode that holds `parameters`, for losses that need more than one call.

        What its calls leave in batch statistics and random streams is in `variables` afterwards.
        """
        module = nnx.merge(self._fixed.value.training, parameters, self.variables)
        if jax.tree.leaves(self._variables):
            self._trained = module, self._variables
        return module

    def optimise(self, gradients: Any) -> None:
        """Moves the parameters by one step of the optimiser; traceable.

        A step that is not finite leaves everything as it was, and sets `is_finite` to false. In compiled code it
        leaves the parameters and variables only: a learner puts the optimiser's state back when it reports the step.

        Args:
            gradients: Of the loss, in the structure of `parameters`.

        Raises:
            ConfigError: They differ from `parameters` in structure or shape (all differences are listed).
        """
        check_alike(gradients, self._parameters, "gradients")
        optimiser = self._fixed.value.optimiser
        updates, optimiser_state = optimiser.update(gradients, self.optimiser_state, self._parameters)
        parameters = optax.apply_updates(self._parameters, updates)
        before = self._variables if self._before is None else self._before
        checked = None if handles_infinity(optimiser_state) else gradients
        self.is_finite = self.is_finite & all_finite(updates, checked) & all_finite(self._variables)
        self._parameters = select(self.is_finite, parameters, self._parameters)
        self._variables, self._before = select(self.is_finite, self._variables, before), None
        if is_traced(self.is_finite) or self.is_finite:
            self.optimiser_state = optimiser_state

    def _acts_through_numpy(self, states: Any) -> bool:
        """Whether NumPy answers for a state on the host."""
        if not isinstance(states, jax.ShapeDtypeStruct):
            return False
        views = HostViews(self._fixed, self.state_ndim, self._parameters, self.variables)
        return views.pass_for(np.zeros(states.shape[1:], states.dtype)) is not None

    def _takes_one(self, ndim: int, states: Any) -> bool:
        """Whether the network answers a state without a batch axis as it does in a batch of one: that is quicker."""
        generator = np.random.default_rng(0)
        state = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape[1:]).astype(leaf.dtype), states)
        try:
            alone, in_a_batch = (
                answer(self._fixed, axes, self._parameters, self.variables, state) for axes in (None, ndim)
            )
            return are_close(alone, in_a_batch)
        except Exception:  # whatever it is: then it gets a batch axis
            return False

    def check(self, state_space: Space) -> Any:
        """Fixes `state_ndim` and tries the network: on the shapes of two states, and on one state alone.

        Returns:
            The shape and dtype of the output for one state, a `jax.ShapeDtypeStruct` or a tree of them.

        Raises:
            ConfigError: The network can't take such states, or does not keep the batch axis.
        """
        states = state_shapes(state_space, (2,))
        try:
            output = jax.eval_shape(
                lambda parameters, variables, x: evaluate(self._fixed, None, parameters, variables, x),
                *(self._parameters, self.variables, states),
            )
        except Exception as error:
            advice = "give it the inputs that such states have"
            if isinstance(state_space, spaces.Discrete):
                n = int(state_space.start) + int(state_space.n)
                advice = (
                    "make vectors of these numbers, as_environment(env, state=lambda state: "
                    f"np.eye({n}, dtype=np.float32)[state]), or let TDLearner learn a table, TabularQApproximator"
                )
            raise ConfigError(
                f"the network can't take a batch of two states {states} of {state_space} "
                f"({shorten(str(error)).rstrip('.')}); {advice}"
            ) from error
        if any(leaf.shape[:1] != (2,) for leaf in jax.tree.leaves(output)):
            raise ConfigError(
                f"for a batch of two states {states} the network gives {output}, expected a first axis of 2; "
                "write it for states with a batch axis in front"
            )
        self.state_ndim, self._views, self._noisy_views = len(jax.tree.leaves(states)[0].shape) - 1, None, None
        if not self._acts_through_numpy(states) and self._takes_one(self.state_ndim, states):
            self.state_ndim = None
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), output)


_BESIDE_THE_LOSS = 0x6E6F6973  # far from the small numbers that keys are split by


@partial(jax.jit, static_argnums=0)
def _first_state(fixed: Fixed, parameters: Any) -> Any:
    """What the optimiser keeps at first; compiled once for all optimisers that are built alike."""
    return fixed.value.optimiser.init(parameters)


def _like(given: Any, old: Any) -> Any:
    return jnp.asarray(given, old.dtype) if is_traced(given) else jnp.array(given, old.dtype, copy=True)
