"""The slopes of a student's own forward pass, for half the points of a gradient that fits it.

    scenario     shows the gradients, and where they were taken      `with_place`
    outside      draws points around that place, once it has them    `Probe.points`
    the forward  is called there
    outside      makes slopes of what it returned                    `Probe.measured`

Whoever computes a gradient cannot know the points, and whoever is asked for the forward pass there
does not know the gradient. What is measured has names that no scenario may use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checking.spec import Arrays

MEASURED = "_measured_"  # how names of observations begin that only the outside makes
DIRECTIONS = 2  # along which a forward pass is differentiated
STEP = 1e-5
FAR = 10  # standard deviations to a place where another slope may be seen


def with_place(
    out: np.ndarray,
    arrays: Sequence[np.ndarray],
    dout: np.ndarray,
    gradients: Mapping[str, tuple[int, np.ndarray]],
) -> Arrays:
    """Return gradients as observations, with what `follow_through` needs to judge them.

    Args:
        out: what the student's own forward pass makes of `arrays`.
        arrays: its inputs, in order.
        dout: gradient of the loss with respect to out.
        gradients: {name: (position of its input in `arrays`, gradient)}.
    """
    shown = {"_out": out, "_dout": dout}
    shown |= {f"_at_{place}": array for place, array in enumerate(arrays)}
    for key, (position, gradient) in gradients.items():
        shown |= {key: gradient, f"_position_{key}": np.array(position)}
    return shown


@dataclass(frozen=True)
class _Step:
    """A direction in which one of the inputs moves, away from a place."""

    name: str  # of the gradient, or APART
    place: list[np.ndarray]
    position: int
    direction: np.ndarray

    def moved(self, far: float) -> list[np.ndarray]:
        return [
            array + far * self.direction if i == self.position else array
            for i, array in enumerate(self.place)
        ]


APART = "apart"


class Probe:
    """Points around the place of a scenario, and what the outs there say about slopes.

    Args:
        shown: observations of `with_place`, the reference's where the student's are not trusted.
        seed: of the directions.
    """

    def __init__(self, shown: Arrays, seed: int):
        self._dout = shown["_dout"]
        self._at = [shown[f"_at_{i}"] for i in range(sum(k.startswith("_at_") for k in shown))]
        self._steps = list(self._draw(shown, np.random.default_rng(seed)))

    def _draw(self, shown, rng) -> Iterator[_Step]:
        direction, away = (rng.normal(size=self._at[0].shape) for _ in range(2))
        for far in (0, FAR):
            yield _Step(APART, [self._at[0] + far * away, *self._at[1:]], 0, direction)
        for name in (k.removeprefix("_position_") for k in shown if k.startswith("_position_")):
            position = int(shown[f"_position_{name}"])
            for _ in range(DIRECTIONS):
                yield _Step(name, self._at, position, rng.normal(size=self._at[position].shape))

    @property
    def points(self) -> list[list[np.ndarray]]:
        """The place itself, then two points for each step: inputs of the forward pass."""
        both = (step.moved(far) for step in self._steps for far in (STEP, -STEP))
        return [self._at, *both]

    def measured(self, outs: Sequence[np.ndarray]) -> Arrays:
        """Return the slopes of sum(dout · out) that the outs at all points say; NaN for none."""
        slopes = [self._slope(*pair) for pair in zip(outs[1::2], outs[2::2], strict=True)]
        found = {f"{MEASURED}out": outs[0]}
        for name in dict.fromkeys(step.name for step in self._steps):
            here = [i for i, step in enumerate(self._steps) if step.name == name]
            directions = np.array([self._steps[i].direction for i in here])
            found[f"{MEASURED}directions_{name}"] = directions  # (K, *shape)
            found[f"{MEASURED}slopes_{name}"] = np.array([slopes[i] for i in here])  # (K,)
        return found

    def _slope(self, plus, minus):
        """Central difference along one step."""
        fits = plus.shape == minus.shape == self._dout.shape
        change = plus.astype(float) - minus.astype(float) if fits else np.nan
        return np.sum(self._dout * change) / (2 * STEP)
