"""The loss: a Gaussian likelihood whose mean and width are both learnt.

For a target x with prediction μ ± σ the negative logarithm of the likelihood is (x − μ)²/2σ² + ln σ (Nix &
Weigend 1994, Proc. IEEE ICNN 1, 55). Taken literally it lets a network neglect whatever it once called
uncertain. So the mean is driven by (x − μ)²·σ^(−2(1−β)), with σ held fixed there (Seitzer et al. 2022,
ICLR, "On the pitfalls of heteroscedastic uncertainty estimation", eq. 5, β between 0 and 1), and the width
by the likelihood with μ held fixed. β = 1 is least squares with an honest error beside it.
"""

from __future__ import annotations

from typing import Any, Final

from stokeswarm.inference.targets import N_CHANNEL, Scaling

#: bounds of ln σ, in units of each output's spread: 0.0009 to 7.4
LOWEST: Final = -7.0
HIGHEST: Final = 2.0


def split_outputs(answer: Any, scaling: Scaling) -> tuple[Any, Any]:
    """Values (n, n_output) and ln σ (n, n_sigma, within bounds) of an answer (n, n_output + n_sigma)."""
    from keras import ops

    return answer[:, : scaling.n_output], ops.clip(answer[:, scaling.n_output :], LOWEST, HIGHEST)


def loss(expected: Any, answer: Any, scaling: Scaling, beta: float) -> Any:
    """Mean loss of some profiles.

    Parameters
    ----------
    expected : tensor (n, 2·n_output)
        Targets and, after them, weights.
    answer : tensor (n, n_output + n_sigma)
        Values and, after them, logarithms of their standard deviations.
    scaling : Scaling
    beta : float

    Returns
    -------
    tensor (n, 2)
        Of each profile: the weighted square error of the values (what a start is judged by), and the loss
        whose gradient is followed.
    """
    from keras import ops

    target, weight = expected[:, : scaling.n_output], expected[:, scaling.n_output :]
    value, narrow = split_outputs(answer, scaling)
    last = (N_CHANNEL - 1) * scaling.n_node
    # the second component of the azimuth has the width of the first
    log_sigma = ops.concatenate(
        [narrow[:, :last], narrow[:, last - scaling.n_node : last], narrow[:, last:]], axis=1
    )
    square = ops.square(target - value)
    fixed = ops.stop_gradient(ops.exp(2.0 * (beta - 1.0) * log_sigma))
    width = 0.5 * ops.stop_gradient(square) * ops.exp(-2.0 * log_sigma) + log_sigma
    weighted = weight * square
    return ops.stack(
        [ops.mean(weighted, axis=-1), ops.mean(0.5 * weighted * fixed + width, axis=-1)], axis=-1
    )
