"""Mistakes that every rule invites: settings, state, signs, types; lines for `wrong`."""

from autograder.misconceptions.records import SLIP, fundamental

RETURN = "return next_w, config"


def usual(rate="1e-2", state=(), steps="dw"):
    """Return the lines that hold for every rule.

    Args:
        rate: the default learning rate, as the reference writes it.
        state: the keys under which the reference keeps arrays in the config, with their variables.
        steps: "dw" for rules that are given a gradient, "" for those that are given a function.
    """
    get = f'config.get("learning_rate", {rate})'
    kept = "{" + ", ".join(f'"{key}": {name}' for key, name in state) + "}"
    lines = [
        (
            "learning rate of the config ignored",
            "The caller may choose the rate. Under which name does the docstring say that it "
            "arrives, and where does your function look?",
            SLIP,
            (get, rate),
        ),
        (
            "another default learning rate",
            "With a rate in the config your steps are right. Which one does the docstring promise "
            "to callers who give none?",
            SLIP,
            (get, f'config.get("learning_rate", {5 * float(rate):g})'),
        ),
        (
            "settings lost after the first step",
            "The first step is right, the second is made with default settings. What is in the "
            "config that you return, and what was in the one that came?",
            (RETURN, f"return next_w, {kept}"),
        ),
        (
            "config not returned",
            "Two things go back to the caller: the new weights, and what the next step will have "
            "to know.",
            fundamental("no second step can be made"),
            (RETURN, "return next_w"),
        ),
        (
            "weights forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            (RETURN, "return next_w.astype(np.float32), config"),
        ),
    ]
    if state:
        lines.append(
            (
                "a dict as default argument",
                "A default argument is made once, when the function is defined. What do two "
                "parameters share that both start without a config?",
                SLIP,
                ("config=None)", "config={})"),
            )
        )
    if steps == "dw":
        lines.append(
            (
                "dw is changed",
                "After the call the caller's gradient is no longer what it was: a statement such "
                "as *= writes into it. Whoever wants to print its length gets another number.",
                SLIP,
                (RETURN, f"dw *= learning_rate\n    {RETURN}"),
            )
        )
    return lines


def ignored(key, default, hint):
    """Return the line of a setting whose value in the config is not looked at."""
    return (
        f"{key} of the config ignored",
        hint,
        SLIP,
        (f'config.get("{key}", {default})', default),
    )
