"""Wrong answers where an input is asked for that tells a right implementation from a wrong one."""

from autograder.misconceptions.records import wrong

CURVATURES = wrong(
    "separating_curvatures",
    (
        "too flat",
        "In a flat bowl the gradients here and there are nearly the same, and it hardly matters "
        "where one looks. What has to be large for the place to count?",
        ("[5.0]", "[0.1]"),
    ),
    (
        "too steep",
        "In a direction as steep as that, each step of a right look-ahead, too, ends farther out "
        "than it began. How does the learning rate bound the curvature?",
        ("[5.0]", "[50.0]"),
    ),
    (
        "a hill",
        "A negative curvature is a hill, on which nobody arrives anywhere.",
        ("[5.0]", "[-5.0]"),
    ),
    (
        "no axis",
        "A list of curvatures is asked for, even if there is only one in it.",
        ("[5.0]", "5.0"),
    ),
)

GRADIENTS = wrong(
    "separating_gradients",
    (
        "gradients that change their sign",
        "Steps to and fro cancel, in the right Adam and in the wrong one. How do you make the "
        "difference of each step add to that of the one before?",
        ("np.ones(20)", "np.array(10 * [1.0, -1.0])"),
    ),
    (
        "too few of them",
        "You are on the right way. When is the wrong step longest: at once, or some steps later?",
        ("np.ones(20)", "np.ones(8)"),
    ),
    (
        "zeros in between",
        "A gradient of zero would show something too, but the check wants all of them to have a "
        "size.",
        ("np.ones(20)", "np.array(10 * [1.0, 0.0])"),
    ),
    (
        "too many of them",
        "With enough steps anything ends far apart; the check wants few.",
        ("np.ones(20)", "np.ones(50)"),
    ),
    (
        "growing gradients",
        "The second mean sees a gradient's square and the first its size. What does one gradient "
        "that is much larger than those before do to the quotient, in both versions?",
        ("np.ones(20)", "1e-3 * 1.8 ** np.arange(20.0)"),
    ),
)
MISCONCEPTIONS = (*CURVATURES, *GRADIENTS)
