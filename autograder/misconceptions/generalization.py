"""Wrong and other right answers of the family `generalization`."""

import copy

import numpy as np

from autograder.misconceptions.records import SLIP, fundamental, grouped, right, wrong

# ------------------------------------------------------------------ early stopping

GAIN = "self.sign * (score - self.best) > self.min_delta"
KEEP = "self.best, self.best_weights, self.waited = score, copy.deepcopy(weights), 0"


class WaitsForTheLast:
    """Compare with the score before, not with the best one."""

    def __init__(self, patience, min_delta=0.0, mode="max"):
        self.patience, self.min_delta, self.sign = patience, min_delta, 1 if mode == "max" else -1
        self.last = self.best = -self.sign * float("inf")
        self.best_weights, self.waited = None, 0

    def update(self, score, weights):
        """Take in a score."""
        if self.sign * (score - self.best) > 0:
            self.best, self.best_weights = score, copy.deepcopy(weights)
        if self.sign * (score - self.last) > self.min_delta:
            self.waited = 0
        else:
            self.waited += 1
        self.last = score
        return self.waited >= self.patience


EARLY = wrong(
    "EarlyStopping",
    (
        "the first decrease stops",
        "Your run ends at the first score that is no gain, which is what slide 64 says literally. "
        "Scores go up and down by chance: how many of them in a row does `patience` allow?",
        ("self.waited >= self.patience", "self.waited >= 1"),
    ),
    (
        "the patience is never renewed",
        "You count all scores without a gain, wherever they stand. After a new best score, the "
        "wait should begin again.",
        (KEEP, "self.best, self.best_weights = score, copy.deepcopy(weights)"),
    ),
    (
        "the best weights are aliased",
        "You kept the dict that you were shown, and training goes on to change what is in it: at "
        "the end it holds the last weights. What must be done with what you keep?",
        ("copy.deepcopy(weights)", "weights"),
        grouped("alias"),
    ),
    (
        "a shallow copy of the weights",
        "A copy of the dict is a new dict that holds the same arrays, and training changes those. "
        "How deep must the copy go?",
        ("copy.deepcopy(weights)", "dict(weights)"),
        grouped("alias"),
    ),
    (
        "the last weights are kept",
        "Whatever comes in is kept, whether it is a gain or not. When should the kept weights be "
        "replaced?",
        (
            "        return self.waited",
            "        self.best_weights = copy.deepcopy(weights)\n        return self.waited",
        ),
        grouped("alias"),
    ),
    (
        "the first weights are kept",
        "You keep weights once, at the first score, and better ones do not replace them.",
        (KEEP, "self.best, self.waited = score, 0"),
        (
            "        return self.waited",
            "        if self.best_weights is None:\n"
            "            self.best_weights = copy.deepcopy(weights)\n"
            "        return self.waited",
        ),
    ),
    (
        "an equal score counts as a gain",
        "A run whose score stands still never ends with your stopper. Slide 64 asks for better; "
        "is equal better?",
        SLIP,
        (GAIN, GAIN.replace(">", ">=")),
    ),
    (
        "stops one score early",
        "Patience 2 allows two scores without a gain, and stops at the second. Yours stops one "
        "before that.",
        SLIP,
        ("self.waited >= self.patience", "self.waited >= max(1, self.patience - 1)"),
    ),
    (
        "stops one score late",
        "With a patience of 2 the second score in a row without a gain ends the run; yours needs "
        "a third.",
        SLIP,
        ("self.waited >= self.patience", "self.waited > self.patience"),
    ),
    (
        "high is always good",
        "Losses that fall should be gains where the mode is 'min'. Which way does your comparison "
        "look there?",
        ("self.sign = 1 if mode", "self.sign = 1 if True or mode"),
    ),
    (
        "low is always good",
        "You wait for the score to fall. For an accuracy, mode 'max', high is good.",
        fundamental("nothing that the checks ask for holds when up and down are exchanged"),
        ("1 if mode ==", "1 if mode !="),
    ),
    (
        "no loss is ever a gain",
        "With mode 'min' no score is a gain for you, not even the first. Which number is worse "
        "than all losses, and which way does your comparison look?",
        ("-self.sign * math.inf", "0.0"),
    ),
    (
        "nothing is ever a gain",
        "Not even the first score is a gain for you. Which number is worse than all scores, and "
        "what comes of comparing with it?",
        fundamental("without a gain there are no weights to keep"),
        ("-self.sign * math.inf", "self.sign * math.inf"),
    ),
    (
        "NaN is a gain",
        "Every comparison with NaN is false, so that a test with `not` lets it pass. What should a "
        "run do whose loss is no number?",
        SLIP,
        (GAIN, f"not {GAIN.replace('>', '<=')}"),
    ),
    (
        "small gains move the best score",
        "A score that is no gain leaves the best where it is: many small steps may add up to one "
        "gain. When does your best score move?",
        SLIP,
        (
            "            self.waited += 1",
            "            self.waited += 1\n"
            "            self.best = self.sign * max(self.sign * self.best, self.sign * score)",
        ),
    ),
    (
        "the least gain is ignored",
        "A score that is better by next to nothing renews your patience. What is min_delta for?",
        grouped("least gain"),
        (GAIN, GAIN.replace("self.min_delta", "0")),
    ),
    (
        "the gain is measured from the last score",
        "A slow but steady rise ends your run: each score is hardly better than the one before "
        "it. With which score should a new one be compared?",
        grouped("last"),
        WaitsForTheLast,
    ),
    (
        "the least gain has the wrong sign",
        "You let a score pass as a gain that is *worse* than the best by up to min_delta.",
        (GAIN, GAIN.replace("self.min_delta", "-self.min_delta")),
    ),
    (
        "the least gain has the wrong sign for losses",
        "Where low is good, you let a score pass as a gain that is *worse* than the best by up to "
        "min_delta.",
        SLIP,
        (GAIN, "self.sign * score > self.sign * self.best + self.sign * self.min_delta"),
    ),
    (
        "the least gain is relative",
        "min_delta is a difference between two scores, in their unit. You take it as a fraction of "
        "the best one.",
        grouped("least gain"),
        (
            GAIN,
            "self.best_weights is None or "
            + GAIN.replace("self.min_delta", "self.min_delta * abs(self.best)"),
        ),
    ),
    (
        "update returns nothing",
        "Your stopper keeps what it should and never says so: what does update() return?",
        ("return self.waited >= self.patience", "self.waited >= self.patience"),
    ),
    (
        "any change is a gain",
        "You compare sizes of differences, so that a score that falls counts as a gain too.",
        fundamental("a stopper that takes every change for a gain never stops"),
        (GAIN, "abs(score - self.best) > self.min_delta"),
    ),
    (
        "best holds the last score",
        "Whatever comes in becomes the best score, so the next one is compared with it. A score "
        "that is no gain should leave the best one alone.",
        grouped("last"),
        ("self.waited += 1", "self.best, self.waited = score, self.waited + 1"),
    ),
)

SEPARATING = wrong(
    "separating_scores",
    (
        "scores that only rise",
        "Without a score below the best one nobody's patience is used up. What must happen before "
        "a renewal can matter?",
        ("[0.2, *dip, 0.5, *dip]", "[0.2, 0.3, 0.5, 0.6]"),
    ),
    (
        "scores that only fall",
        "Both count the same falls and stop together: the patience was never renewed, because "
        "there was no gain.",
        grouped("no renewal"),
        ("[0.2, *dip, 0.5, *dip]", "[0.9, *dip, *dip]"),
    ),
    (
        "a gain that comes too late",
        "Your first fall is as long as the patience, so both have stopped before the gain comes.",
        grouped("no renewal"),
        ("(patience - 1)", "patience"),
    ),
    (
        "a gain, and then too few falls",
        "There is a gain after a fall, but then the scores end: who never renews has some patience "
        "left. How many falls must there be in all?",
        ("0.5, *dip]", "0.5]"),
    ),
    (
        "percentages",
        "Scores are accuracies here, shares from 0 to 1.",
        ("[0.2, *dip, 0.5, *dip]", "[20, 10, 10, 50, 10, 10]"),
    ),
)

# ------------------------------------------------------------------ ensembles

ENSEMBLE = wrong(
    "ensemble_predict",
    (
        "scores averaged",
        "You average the scores and take the softmax of the mean. One model that rules a class out "
        "then outweighs all others. Slide 65 says what is averaged.",
        grouped("logits"),
        (
            "top = np.amax(scores",
            "scores = scores.mean(axis=0, keepdims=True)\n    top = np.amax(scores",
        ),
    ),
    (
        "probabilities multiplied",
        "You multiply the models' probabilities (or average their logarithms), which is a mean of "
        "scores in disguise. Slide 65 has a plain average.",
        grouped("logits"),
        (
            "probabilities = members.mean(axis=0)",
            "product = members.prod(axis=0) ** (1 / len(members))\n"
            "    probabilities = product / product.sum(axis=1, keepdims=True)",
        ),
    ),
    (
        "votes counted",
        "Each of your models names a class, and the majority wins: a model that is sure counts as "
        "much as one that hardly knows. What does slide 65 do first, the average or the argmax?",
        (
            "probabilities.argmax(axis=1)",
            "(members == np.amax(members, axis=2, keepdims=True)).sum(axis=0).argmax(axis=1)",
        ),
    ),
    (
        "the surest model decides",
        "Where the models disagree, the one with the highest probability decides alone. What does "
        "an average do with the others?",
        ("probabilities.argmax(axis=1)", "np.amax(members, axis=0).argmax(axis=1)"),
    ),
    (
        "the highest probability of any model",
        "You take the largest probability over the models, so that rows no longer sum to 1.",
        ("members.mean(axis=0)", "np.amax(members, axis=0)"),
    ),
    (
        "the highest probabilities, scaled to sum to 1",
        "You take the largest probability over the models and scale each row. A model that is sure "
        "and wrong then decides alone: which mean does slide 65 ask for?",
        (
            "probabilities = members.mean(axis=0)",
            "probabilities = np.amax(members, axis=0)\n"
            "    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)",
        ),
    ),
    (
        "softmax over the examples",
        "Your probabilities sum to 1 over the batch, not over the classes. Which axis of "
        "(M, N, C) holds the classes?",
        fundamental("every probability comes from this softmax"),
        ("np.amax(scores, axis=2", "np.amax(scores, axis=1"),
        ("exps.sum(axis=2", "exps.sum(axis=1"),
    ),
    (
        "logarithms are averaged",
        "Your rows do not sum to 1: you average what comes before the exponential. Of what does "
        "(Ens.2) take the mean?",
        ("members.mean(axis=0)", "np.exp(np.log(members).mean(axis=0))"),
    ),
    (
        "softmax over the models",
        "Your probabilities sum to 1 over the models, not over the classes. Which axis of "
        "(M, N, C) holds the classes?",
        fundamental("every probability comes from this softmax"),
        ("exps.sum(axis=2", "exps.sum(axis=0"),
    ),
    (
        "softmax twice",
        "What you average has been through the softmax twice: it is much flatter than it should "
        "be. Scores come in, probabilities go out.",
        (
            "    probabilities = members",
            "    exps = np.exp(members)\n"
            "    members = exps / exps.sum(axis=2, keepdims=True)\n"
            "    probabilities = members",
        ),
    ),
    (
        "no softmax",
        "Rows of your result do not sum to 1: these are mean scores. What turns a model's scores "
        "into probabilities?",
        fundamental("what comes out are no probabilities"),
        ("members = exps / exps.sum(axis=2, keepdims=True)", "members = scores"),
    ),
    (
        "a sigmoid in place of the softmax",
        "You turn each score into a probability of its own, whatever the other classes have. What "
        "makes the classes of one model compete?",
        fundamental("every probability comes from it"),
        (
            "members = exps / exps.sum(axis=2, keepdims=True)",
            "members = 1 / (1 + np.exp(-scores))\n"
            "    members = members / members.sum(axis=2, keepdims=True)",
        ),
    ),
    (
        "exponentials pooled over the models",
        "You add the exponentials of all models and divide once: a model with large scores then "
        "weighs more. Each has to give probabilities before they are averaged.",
        (
            "probabilities = members.mean(axis=0)",
            "pooled = exps.sum(axis=0)\n"
            "    probabilities = pooled / pooled.sum(axis=1, keepdims=True)",
        ),
    ),
    (
        "a sum in place of the mean",
        "Your rows sum to the number of models. An average is a sum divided by something.",
        SLIP,
        ("members.mean(axis=0)", "members.sum(axis=0)"),
    ),
    (
        "only the first model",
        "All models but the first are ignored in your result.",
        ("members.mean(axis=0)", "members[0]"),
    ),
    (
        "exp overflows",
        "Scores of several hundred give NaN or zeros. A constant on all scores of an example does "
        "not change its softmax: which one makes exp safe?",
        SLIP,
        ("np.exp(scores - top)", "np.exp(scores)"),
    ),
    (
        "argmax over the examples",
        "There is one label for every class in your result, and there should be one for every "
        "example.",
        SLIP,
        ("probabilities.argmax(axis=1)", "probabilities.argmax(axis=0)"),
    ),
    (
        "argmin for argmax",
        "You choose the class that the models find least likely.",
        SLIP,
        ("probabilities.argmax", "probabilities.argmin"),
    ),
)

# ------------------------------------------------------------------ snapshots

COPY = "snapshots.append(copy.deepcopy(model.state_dict()))"
CYCLE = "        for t in range(length):\n            take_step(schedule(t))  # Snap.1\n"

SNAPSHOTS = wrong(
    "snapshot_ensemble",
    (
        "all snapshots are one alias",
        "All your snapshots are equal, and equal to the last weights: you kept the dict that "
        "training goes on to change.",
        ("copy.deepcopy(model.state_dict())", "model.state_dict()"),
        grouped("alias"),
    ),
    (
        "shallow copies",
        "All your snapshots are equal: each is a new dict, but it holds the same arrays, and "
        "training changes those.",
        ("copy.deepcopy(model.state_dict())", "dict(model.state_dict())"),
        grouped("alias"),
    ),
    (
        "snapshots at the high rate",
        "You copy the weights at the start of a cycle, where the rate is high and the weights are "
        "anywhere. Where in a cycle have they settled?",
        (f"        {COPY}  # Snap.2\n", ""),
        ("        restart()\n", f"        restart()\n        {COPY}\n"),
        grouped("early"),
    ),
    (
        "snapshots after the first step",
        "You copy the weights after the first step of a cycle, which has the highest rate. Where "
        "in a cycle have they settled?",
        (f"        {COPY}  # Snap.2\n", ""),
        ("  # Snap.1\n", f"\n            if t == 0:\n                {COPY}\n"),
        grouped("early"),
    ),
    (
        "snapshots one step early",
        "Your snapshots come before the last step of a cycle. Which weights are at its end?",
        (f"        {COPY}  # Snap.2\n", ""),
        ("  # Snap.1\n", f"\n            if t == length - 2:\n                {COPY}\n"),
    ),
    (
        "a snapshot after every step",
        "You keep the weights of every step. The last ones of a run are nearly the same: what "
        "makes good members different from each other?",
        ("  # Snap.1\n", f"\n            {COPY}\n"),
        (f"        {COPY}  # Snap.2\n", ""),
    ),
    (
        "the rate never comes back",
        "Your rates fall on and on: t counts all steps of the run. The schedule is that of one "
        "cycle, whose first step is t = 0.",
        ("for _ in range(cycles)", "for cycle in range(cycles)"),
        ("schedule(t)", "schedule(cycle * length + t)"),
    ),
    (
        "t starts at one",
        "The first step of every cycle has t = 0, and so the highest rate. Where does your count "
        "begin?",
        SLIP,
        ("schedule(t)", "schedule(t + 1)"),
    ),
    (
        "the rate is asked for once a cycle",
        "All steps of a cycle have the same rate in your run. How often does a schedule want to be "
        "asked?",
        ("take_step(schedule(t))", "take_step(schedule(0))"),
    ),
    (
        "a cycle is one step too long",
        "Your cycles have one step more than they should.",
        fundamental("with another number of steps nothing falls on the ends of the cycles"),
        ("range(length)", "range(length + 1)"),
    ),
    (
        "a cycle is one step too short",
        "Your cycles have one step less than they should.",
        fundamental("with another number of steps nothing falls on the ends of the cycles"),
        ("range(length)", "range(length - 1)"),
    ),
    (
        "the velocity stays over a restart",
        "The first steps of a cycle still follow the velocity of the one before. Who makes the "
        "optimizer forget it?",
        ("        restart()\n", ""),
        grouped("velocity"),
    ),
    (
        "one restart before all cycles",
        "The velocity is forgotten once, before the run. Every cycle asks for it.",
        ("        restart()\n", ""),
        ("    snapshots = []\n", "    snapshots = []\n    restart()\n"),
        grouped("velocity"),
    ),
    (
        "a restart before every step",
        "Without any velocity there is no momentum: your optimizer forgets before every step.",
        ("        restart()\n", ""),
        ("take_step(schedule(t))", "restart()\n            take_step(schedule(t))"),
    ),
    (
        "the first members are kept",
        "Your snapshots are those of the first cycles, when the network had learnt least. Which "
        "ones are asked for?",
        SLIP,
        ("snapshots[-members:]", "snapshots[:members]"),
    ),
    (
        "all cycles are kept",
        "You return a snapshot of every cycle. How many are asked for, and which?",
        SLIP,
        ("snapshots[-members:]", "snapshots"),
    ),
    (
        "one member too few",
        "There is one snapshot less than asked for. Look at the ends of your slice.",
        ("snapshots[-members:]", "snapshots[-members + 1 :]"),
    ),
    (
        "so many cycles skipped",
        "You leave out as many cycles as you should keep. Which cycles are the last ones?",
        ("snapshots[-members:]", "snapshots[members:]"),
    ),
    (
        "only the last snapshot",
        "One network is no ensemble: you return what the last cycle ended with.",
        ("snapshots[-members:]", "snapshots[-1:]"),
    ),
    (
        "the cycles in reverse",
        "Your snapshots come in the reverse order; the first should be the oldest.",
        fundamental("the order is what tells one snapshot from another in both checks of them"),
        ("snapshots[-members:]", "snapshots[::-1][:members]"),
    ),
)

# ------------------------------------------------------------------ averages of weights

UNIFORM = "mean = average = mean + (w - mean) / n"
MOVING = "mean = average = beta * mean + (1 - beta) * w"

POLYAK = wrong(
    "polyak_average",
    (
        "beta and 1 − beta exchanged",
        "After one step from the weights your average has followed the new ones nearly all the "
        "way. Which of the two, old mean or new weights, gets the share β?",
        (MOVING, "mean = average = (1 - beta) * mean + beta * w"),
    ),
    (
        "beta and 1 − beta exchanged, debiased likewise",
        "Your mean follows the newest weights nearly all the way. Which of the two, old mean or "
        "new weights, gets the share β?",
        grouped("beta and 1 − beta exchanged"),
        ("    if n < 1:", "    beta = 1 - beta\n    if n < 1:"),
    ),
    (
        "beta and 1 − beta exchanged in a mean from zero",
        "Your mean follows the newest weights nearly all the way. Which of the two, old mean or "
        "new weights, gets the share β?",
        grouped("beta and 1 − beta exchanged"),
        (
            MOVING,
            'share = beta if start == "weights" else 1 - beta\n'
            "        mean = average = share * mean + (1 - share) * w",
        ),
    ),
    (
        "one call more is left out",
        "After start_at calls the next weights are the first to count, and start_at may be 0. Of "
        "how many weights is your average then?",
        fundamental("every average is one of fewer weights"),
        ('config.get("start_at", 0)  #', 'config.get("start_at", 0) - 1  #'),
    ),
    (
        "the mean starts from weights that were to be left out",
        "While the first calls are left out, the average is w. Does the mean that starts later "
        "remember it?",
        SLIP,
        (
            "        return w.copy(), config",
            '        config["mean"] = w.copy()\n        return w.copy(), config',
        ),
    ),
    (
        "never debiased",
        "Your first averages are far too small: a mean that starts at zero remembers the zero. "
        "Adam has the same problem, and divides by something.",
        ('if start == "zero":', "if False:"),
    ),
    (
        "debiased although started at the weights",
        "The average of equal weights should be these weights; yours is larger. A mean that did "
        "not start at zero has nothing to be corrected.",
        ('if start == "zero":', "if True:"),
    ),
    (
        "debiased by beta without a power",
        "Only your first average is right: the zero is forgotten with time, and you divide by the "
        "same number in every step.",
        ("(1 - beta**n)", "(1 - beta)"),
    ),
    (
        "debiased with one power too many",
        "Your first averages are too small, as if one more step had been made. Is the count raised "
        "before it is used, and only once?",
        SLIP,
        ("(1 - beta**n)", "(1 - beta ** (n + 1))"),
    ),
    (
        "the corrected mean is kept",
        "You keep the corrected mean for the next step, where it is corrected again.",
        ('config["mean"] = mean', 'config["mean"] = average'),
    ),
    (
        "the count is not stored",
        "Every call of yours is the first one. What must config take along besides the mean?",
        ('config["t"] = config.get("t", 0) + 1', "t = config.get('t', 0) + 1"),
        ('config["t"] - config', "t - config"),
    ),
    (
        "the mean is not stored",
        "Every average of yours forgets those before it. What must config take along besides the "
        "count?",
        fundamental("from the second call on, no average has a memory"),
        ('    config["mean"] = mean\n', ""),
    ),
    (
        "started at the weights in every case",
        "Asked for a start at zero, your mean starts at the first weights. The first average is "
        "the same, the second is not.",
        ('w if start == "weights" else np.zeros_like(w)', "w"),
        ('if start == "zero":', "if False:"),
    ),
    (
        "started at zero in every case",
        "Asked for a start at the weights, your first average is close to zero.",
        ('w if start == "weights" else np.zeros_like(w)', "np.zeros_like(w)"),
    ),
    (
        "the uniform mean counts one too many",
        "The uniform mean of one weight should be that weight. By how many do you divide the first "
        "time?",
        (UNIFORM, UNIFORM.replace("/ n", "/ (n + 1)")),
    ),
    (
        "the mean of two",
        "You take the mean of the last average and the new weights: that forgets as fast as β = ½. "
        "In a uniform mean of n weights the new ones have the share 1/n.",
        (UNIFORM, "mean = average = (mean + w) / 2 if n > 1 else w"),
    ),
    (
        "a sum in place of the uniform mean",
        "Your uniform mean grows with every step: it is a sum.",
        (UNIFORM, "mean = average = mean + w"),
    ),
    (
        "always exponential, from zero",
        "Whatever config asks for, you return a debiased exponential mean. Which settings has it?",
        (UNIFORM, MOVING + "\n        average = mean / (1 - beta**n)"),
        ('config.get("start_at", 0)', "0"),
        ('config.get("start", "zero")', '"zero"'),
    ),
    (
        "always uniform",
        "Whatever config asks for, you return the uniform mean of all. Which settings has it?",
        ('if kind == "uniform":', "if True:"),
        ('config.get("start_at", 0)', "0"),
    ),
    (
        "always exponential, from the weights",
        "Whatever config asks for, your mean is exponential and starts at the weights. Which "
        "settings has it?",
        ('config.get("kind", "exponential")', '"exponential"'),
        ('config.get("start", "zero")', '"weights"'),
        ('config.get("start_at", 0)', "0"),
    ),
    (
        "one kind for all",
        "Asked for a uniform mean, you return an exponential one. What does config['kind'] say?",
        ('if kind == "uniform":', "if False:"),
    ),
    (
        "no late start",
        "With start_at = 4 the first four weights should leave no trace in the average.",
        SLIP,
        ('config["t"] - config.get("start_at", 0)', 'config["t"]'),
    ),
    (
        "the late start is one too late",
        "With start_at = 4 the fifth weights are the first in the average.",
        SLIP,
        ('config.get("start_at", 0)', 'config.get("start_at", -1) - 1'),
    ),
    (
        "all weights count after a late start",
        "The weights before the start are left out of your sum, but not out of your count.",
        SLIP,
        ("    mean = config.get", "    n = config['t']\n    mean = config.get"),
    ),
    (
        "debiased by all calls after a late start",
        "A mean that starts late has seen fewer weights than there were calls. Which number "
        "belongs into the power of β?",
        grouped("all weights count after a late start"),
        SLIP,
        ("(1 - beta**n)", "(1 - beta ** config['t'])"),
    ),
    (
        "zeros before a late start",
        "Before the average starts there is one thing to use at test time: the weights themselves.",
        SLIP,
        ("return w.copy(), config", "return np.zeros_like(w), config"),
    ),
    (
        "beta is not read",
        "You use the default β, whatever config says.",
        SLIP,
        ('config.get("beta", 0.99)', "0.99"),
    ),
    (
        "another default for beta",
        "Without a config your average forgets at another speed than the description says.",
        SLIP,
        ('config.get("beta", 0.99)', 'config.get("beta", 0.9)'),
    ),
    (
        "another default for the kind",
        "Without a config your average is not of the kind that the description says.",
        SLIP,
        ('config.get("kind", "exponential")', 'config.get("kind", "uniform")'),
    ),
    (
        "another default for the start",
        "Without a config your average does not start where the description says.",
        SLIP,
        ('config.get("start", "zero")', 'config.get("start", "weights")'),
    ),
    (
        "the weights are changed",
        "Training goes on from the weights that you were given, and you have changed them: the "
        "average must never find its way back into training.",
        SLIP,
        (
            '    config["mean"] = mean\n',
            '    config["mean"] = mean\n    w *= 0\n    w += average\n',
        ),
    ),
)

# ------------------------------------------------------------------ wire the pipeline

BEST_BACK = "    model.load_state_dict(stopper.best_weights)\n"
ASK = 'if stopper.update(accuracy("val"), model.state_dict()):'

SELECT = wrong(
    "train_and_select",
    (
        "the test set selects",
        "Your stopper sees accuracies of the test set. The one that it picks is then too good to "
        "be true: it was picked *because* it was high. Which part of the data is for choices?",
        ('accuracy("val")', 'accuracy("test")'),
    ),
    (
        "the test set selects, and the validation data report",
        "Your stopper sees accuracies of the test set. The one that it picks is then too good to "
        "be true: it was picked *because* it was high. Which part of the data is for choices?",
        grouped("the test set selects"),
        ('accuracy("val")', 'accuracy("test")'),
        ('return stopper.best, accuracy("test")', 'return accuracy("val"), stopper.best'),
    ),
    (
        "the training data select",
        "Your stopper sees training accuracies, which go on rising when the model has begun to "
        "learn the data by heart.",
        ('accuracy("val")', 'accuracy("train")'),
    ),
    (
        "the test set is looked at in every epoch",
        "The test set is asked at the end of every epoch. Whoever looks that often will choose by "
        "what they see; it gives one number, at the very end.",
        grouped("test often"),
        (f"        {ASK}", f'        test = accuracy("test")\n        {ASK}'),
        ('return stopper.best, accuracy("test")', "return stopper.best, test"),
        (BEST_BACK, ""),
        ("    return stopper", f"{BEST_BACK}    return stopper"),
    ),
    (
        "the best of many test accuracies",
        "You report the highest test accuracy of all epochs: a choice by the test set.",
        grouped("test often"),
        ("    for _ in range(epochs)", "    tests = []\n    for _ in range(epochs)"),
        (f"        {ASK}", f'        tests.append(accuracy("test"))\n        {ASK}'),
        ('return stopper.best, accuracy("test")', "return stopper.best, max(tests)"),
    ),
    (
        "the last weights are reported",
        "The model that meets the test set has its last weights. Who has the best ones?",
        grouped("last weights"),
        (BEST_BACK, ""),
    ),
    (
        "the best weights come back only after a stop",
        "When the stopper says stop, the best weights come back; a run that goes on to its last "
        "epoch keeps its last ones.",
        grouped("last weights"),
        (BEST_BACK, ""),
        (
            "            break\n",
            "            model.load_state_dict(stopper.best_weights)\n            break\n",
        ),
    ),
    (
        "scored after every batch",
        "Your stopper sees a score after every batch. At the end of what does the docstring ask "
        "for one?",
        (f"        {ASK}\n            break\n", ""),
        (
            "            optimizer.step()\n",
            f"            optimizer.step()\n            {ASK}\n                break\n",
        ),
    ),
    (
        "no modes at all",
        "Your run is in train mode from beginning to end: who switches for the accuracies?",
        ("        model.train()\n", ""),
        ("        model.eval()\n", ""),
        grouped("accuracies in train mode"),
    ),
    (
        "the last batch is left out",
        "An epoch of yours ends before the last batch. Count the steps.",
        fundamental("with other steps nothing falls on the ends of the epochs"),
        ("for batch in batches:", "for batch in batches[:-1]:"),
    ),
    (
        "the best weights come after the test",
        "The test accuracy is that of the last weights: the best ones come back too late for it.",
        grouped("last weights"),
        (
            f'{BEST_BACK}    return stopper.best, accuracy("test")',
            f'    test = accuracy("test")\n{BEST_BACK}    return stopper.best, test',
        ),
    ),
    (
        "accuracies in train mode",
        "Accuracies are measured with dropout and batch statistics on. Which mode are they for, "
        "and who switches?",
        grouped("accuracies in train mode"),
        ("        model.eval()\n", ""),
    ),
    (
        "training goes on in test mode",
        "From the second epoch on your steps are made in test mode: eval() is not undone.",
        ("        model.train()\n", ""),
        ("    for _ in range(epochs)", "    model.train()\n    for _ in range(epochs)"),
    ),
    (
        "training in test mode",
        "Your steps are made in test mode, where dropout and batch statistics are off.",
        ("        model.train()\n", "        model.eval()\n"),
        grouped("steps in test mode"),
    ),
    (
        "the stopper is not listened to",
        "The stopper says stop and your run goes on. What does update() return?",
        ("            break\n", "            pass\n"),
    ),
    (
        "one more epoch after the stop",
        "When the stopper says stop, your run still makes an epoch.",
        SLIP,
        ("    for _ in range(epochs)", "    told = False\n    for _ in range(epochs)"),
        (
            f"        {ASK}\n            break\n",
            "        if told:\n            break\n"
            '        told = stopper.update(accuracy("val"), model.state_dict())\n',
        ),
    ),
    (
        "stopped at the first epoch",
        "Your run ends after one epoch, whatever the stopper says: something that leaves the loop "
        "stands where it is always reached.",
        fundamental("after one epoch there is nothing to select from"),
        (
            f"        {ASK}\n            break\n",
            f"        {ASK}\n            pass\n        break\n",
        ),
    ),
    (
        "the stopper is asked after every batch",
        "The patience is counted in epochs, and your stopper is asked after every batch.",
        (
            f"        model.eval()\n        {ASK}\n            break\n",
            "        model.eval()\n        if stop:\n            break\n",
        ),
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n"
            "            model.eval()\n"
            '            stop = stopper.update(accuracy("val"), model.state_dict())\n'
            "            model.train()\n",
        ),
    ),
    (
        "asked before the epoch",
        "Your stopper sees the weights from before the epoch, so the last epoch is never judged.",
        (f"        {ASK}\n            break\n", ""),
        (
            "        model.train()\n",
            f"        model.eval()\n        {ASK}\n            break\n        model.train()\n",
        ),
    ),
    (
        "gradients pile up",
        "From the second step on, the gradients of earlier batches are in it too: backward() adds "
        "to what is there.",
        ("            optimizer.zero_grad()\n", ""),
    ),
    (
        "gradients forgotten before the step",
        "The weights do not move: the gradients are set to zero between backward() and the step.",
        grouped("no gradient"),
        (
            "            optimizer.zero_grad()\n            loss_of(batch).backward()\n",
            "            loss_of(batch).backward()\n            optimizer.zero_grad()\n",
        ),
    ),
    (
        "step before backward",
        "The optimizer steps before the gradient of its batch is there.",
        grouped("no gradient"),
        (
            "            loss_of(batch).backward()\n            optimizer.step()\n",
            "            optimizer.step()\n            loss_of(batch).backward()\n",
        ),
    ),
    (
        "the last validation accuracy is returned",
        "You return what came last. Which accuracy belongs to the weights that the model has now?",
        ("    for _ in range(epochs)", "    val = 0.0\n    for _ in range(epochs)"),
        (ASK, 'val = accuracy("val")\n        if stopper.update(val, model.state_dict()):'),
        ("return stopper.best,", "return val,"),
        SLIP,
    ),
    (
        "validation and test exchanged",
        "Your two results come in the other order: which one is first?",
        ('return stopper.best, accuracy("test")', 'return accuracy("test"), stopper.best'),
        SLIP,
    ),
)

KEPT = "kept = copy.deepcopy(model.state_dict())"
BACK = "    model.load_state_dict(kept)\n"

AVERAGE = wrong(
    "evaluate_average",
    (
        "the average stays in the model",
        "Training will go on from the averaged weights. They are for looking, and not for "
        "training: what must be put back?",
        (BACK, ""),
        grouped("not restored"),
    ),
    (
        "kept by reference",
        "What you kept shows the live weights, so that loading the average changed it too: nothing "
        "comes back.",
        (KEPT, "kept = model.state_dict()"),
        grouped("not restored"),
    ),
    (
        "a shallow copy is kept",
        "A copy of the dict is a new dict that holds the same live arrays. How deep must it go?",
        (KEPT, "kept = dict(model.state_dict())"),
        grouped("not restored"),
    ),
    (
        "kept after the average was loaded",
        "When you keep the state, the average is in the model already.",
        (f"    {KEPT}\n", ""),
        ("(average)\n", f"(average)\n    {KEPT}\n"),
        grouped("not restored"),
    ),
    (
        "stale statistics",
        "The running statistics belong to the weights of training. The averaged ones need their "
        "own before they are scored.",
        ("    refresh()\n", ""),
        grouped("stale"),
    ),
    (
        "refreshed after the score",
        "The statistics are collected when the score has been taken already.",
        ("    refresh()\n    score = evaluate()\n", "    score = evaluate()\n    refresh()\n"),
        grouped("stale"),
    ),
    (
        "refreshed before the average is loaded",
        "The statistics are collected for the weights of training, and then the average comes.",
        ("    refresh()\n", ""),
        ("    model.load_state_dict(average)", "    refresh()\n    model.load_state_dict(average)"),
        grouped("stale"),
    ),
    (
        "the weights of training are scored",
        "Your score is that of the model as it was. When does the average come in?",
        grouped("the weights of training"),
        ("    model.load_state_dict(average)\n", ""),
    ),
    (
        "scored after the weights are back",
        "When you take the score, the weights of training are back already.",
        grouped("the weights of training"),
        ("    score = evaluate()\n", ""),
        (BACK, f"{BACK}    score = evaluate()\n"),
    ),
    (
        "the statistics are refreshed once more at the end",
        "After your call the model has statistics that training did not collect. What was kept "
        "holds them already.",
        (BACK, f"{BACK}    refresh()\n"),
    ),
)

MISCONCEPTIONS = (
    *EARLY,
    *SEPARATING,
    *ENSEMBLE,
    *SNAPSHOTS,
    *POLYAK,
    *SELECT,
    *AVERAGE,
)

# ------------------------------------------------------------------ other right answers


class StopsByAge:
    """Keep the number of the best score, and count everything."""

    def __init__(self, patience, min_delta=0.0, mode="max"):
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best, self.best_weights = None, None
        self.seen = self.best_at = 0

    def better(self, score):
        """Say whether this is a gain."""
        if self.best is None:
            return True
        if self.mode == "min":
            return score < self.best - self.min_delta
        return score > self.best + self.min_delta

    def update(self, score, weights):
        """Take in a score."""
        self.seen += 1
        if self.better(score):
            self.best, self.best_at = score, self.seen
            self.best_weights = {name: array.copy() for name, array in weights.items()}
        return self.seen - self.best_at >= self.patience


class StopsByHistory:
    """Keep all scores; answer with a number, as NumPy's comparisons do."""

    def __init__(self, patience, min_delta=0.0, mode="max"):
        self.patience, self.min_delta = patience, min_delta
        self.sign = {"max": 1.0, "min": -1.0}[mode]
        self.history, self.best = [], np.float64()

    def update(self, score, weights):
        """Take in a score."""
        score = np.float64(score)
        if not self.history or self.sign * (score - self.best) > self.min_delta:
            self.best, self.left = score, self.patience
            self.best_weights = dict(zip(weights, map(np.array, weights.values()), strict=True))
        else:
            self.left = self.left - 1
        self.history += [score]
        return np.bool_(self.left == 0)


class StopsByClone:
    """Use what tensors can do, and return nothing where there is nothing to say."""

    def __init__(self, patience, min_delta=0.0, mode="max"):
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best = float("-inf") if mode == "max" else float("inf")
        self.best_weights, self.count = None, 0

    def update(self, score, weights):
        """Take in a score."""
        gain = score - self.best if self.mode == "max" else self.best - score
        if gain > self.min_delta:
            self.best, self.count = score, 0
            self.best_weights = {k: v.detach().cpu().clone() for k, v in weights.items()}
            return None
        self.count += 1
        if self.count == self.patience:
            return True


def ensemble_by_loop(scores):
    """Go through the models and the examples one by one."""
    M, N, C = scores.shape
    total = np.zeros((N, C), dtype=scores.dtype)
    for m in range(M):
        for i in range(N):
            row = scores[m, i]
            e = np.exp(row - row.max())
            total[i] += e / e.sum() / M
    labels = np.zeros(N, dtype=np.int64)
    for i in range(N):
        labels[i] = total[i].argmax()
    return total, labels


def ensemble_by_logarithms(scores):
    """Subtract the logarithm of the sum, then average with einsum."""
    scores = scores - scores.reshape(len(scores), -1, scores.shape[2]).mean(axis=2)[:, :, None]
    top = np.amax(scores, axis=2)[:, :, None]
    logs = scores - top - np.log(np.exp(scores - top).sum(axis=2)[:, :, None])
    p = np.einsum("mnc->nc", np.exp(logs)) / len(scores)
    return p, np.argmax(p, axis=1)


def cycles_in_one_loop(model, take_step, restart, schedule, length, cycles, members):
    """Count all steps, and see where a cycle begins and ends."""
    kept = []
    for step in range(length * cycles):
        t = step % length
        if t == 0 and step > 0:
            restart()
        take_step(schedule(t))
        if t == length - 1:
            kept.append({name: w.clone() for name, w in model.state_dict().items()})
            if len(kept) > members:
                kept.pop(0)
    return kept


def only_the_last_cycles(model, take_step, restart, schedule, length, cycles, members):
    """Ask for all rates before the run, and copy in the last cycles only."""
    rates, snapshots = [schedule(t) for t in range(length)], []
    for cycle in range(cycles):
        restart()
        for rate in rates:
            take_step(rate)
        if cycle >= cycles - members:
            snapshots += [{k: np.array(v) for k, v in model.state_dict().items()}]
    return tuple(snapshots)


def polyak_by_shares(w, config=None):
    """All three kinds as one rule: the new weights get a fraction of the average."""
    config = {} if config is None else config
    config["t"] = config.get("t", 0) + 1
    n = config["t"] - config.get("start_at", 0)
    if n < 1:
        return w + 0, config
    beta = config.get("beta", 0.99)
    if n == 1:
        share = 1.0
    elif config.get("kind") == "uniform":
        share = 1 / n
    elif config.get("start") == "weights":
        share = 1 - beta
    else:
        share = (1 - beta) / (1 - beta**n)
    old = config.get("mean", w)
    config["mean"] = old + share * (w - old)
    return config["mean"], config


def polyak_by_sums(w, config=None):
    """Keep the sum of all weights with their shares, and the sum of the shares."""
    if config is None:
        config = {}
    beta = config.get("beta", 0.99)
    if config.get("kind", "exponential") == "uniform":
        keep, new = 1.0, 1.0
    else:
        keep, new = beta, 1.0 - beta
    config["t"] = config.get("t", 0) + 1
    if config["t"] <= config.get("start_at", 0):
        return w * 1, config
    if "total" not in config:
        first = config.get("start", "zero") == "weights" and keep < 1
        config["total"], config["shares"] = (w * 1, 1.0) if first else (w * new, new)
    else:
        config["total"] = keep * config["total"] + new * w
        config["shares"] = keep * config["shares"] + new
    return config["total"] / config["shares"], config


def select_by_history(model, optimizer, batches, loss_of, accuracy, stopper, epochs):
    """Collect what is printed elsewhere, and leave the inner loop to a flag."""
    epoch, stop, best = 0, False, 0.0
    while epoch < epochs and not stop:
        model.train(True)
        for i in range(len(batches)):
            loss = loss_of(batches[i])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
        model.train(False)
        val = accuracy("val")
        best = max(best, val)
        stop = bool(stopper.update(val, copy.deepcopy(model.state_dict())))
        epoch += 1
    model.load_state_dict({name: w.clone() for name, w in stopper.best_weights.items()})
    model.eval()
    test = accuracy("test")
    print(f"{epoch} epochs, best {best}")
    return best, test


def average_with_finally(model, average, refresh, evaluate):
    """Put the weights back whatever happens."""
    live = model.state_dict()
    kept = {name: w.clone() for name, w in live.items()}
    try:
        model.load_state_dict(average)
        refresh()
        return evaluate()
    finally:
        model.load_state_dict(kept)


def average_in_place(model, average, refresh, evaluate):
    """Write into the live weights, as a copy_ of tensors does."""
    before = {}
    for name, w in model.state_dict().items():
        before[name] = w.detach().clone()
        w.copy_(average[name])
    refresh()
    score = evaluate()
    for name, w in model.state_dict().items():
        w.copy_(before[name])
    return score


FIRST = "the first score is a gain, which sets all three"
VARIANTS = (
    *right("EarlyStopping", "the age of the best score", EarlyStopping=StopsByAge),
    *right("EarlyStopping", "a history, NumPy's numbers", EarlyStopping=StopsByHistory),
    *right("EarlyStopping", "clones, and None for no", EarlyStopping=StopsByClone),
    *right(
        "EarlyStopping",
        "by cases",
        (
            f"if {GAIN}:",
            "if (score > self.best + self.min_delta if self.sign > 0 "
            "else score < self.best - self.min_delta):",
        ),
    ),
    *right("separating_scores", "a long run", ("[0.2, *dip, 0.5, *dip]", "[0.1, 0, 0.2, 0] * 3")),
    *right(
        "separating_scores",
        "one step at a time",
        ("[0.2, *dip, 0.5, *dip]", "[x for i in range(60) for x in (0.3 + 0.01 * i, 0.1)]"),
    ),
    *right(
        "separating_scores",
        "it stops later",
        ("[0.2, *dip, 0.5, *dip]", "[0.2, *dip, 0.5, *dip, 0.1, 0.1, 0.1]"),
    ),
    *right("ensemble_predict", "loops", framework="numpy", ensemble_predict=ensemble_by_loop),
    *right("ensemble_predict", "logarithms", ensemble_predict=ensemble_by_logarithms),
    *right(
        "ensemble_predict",
        "a sum, divided",
        ("members.mean(axis=0)", "members.sum(axis=0) / len(members)"),
    ),
    *right(
        "ensemble_predict",
        "PyTorch's softmax",
        ("members = exps / exps.sum(axis=2, keepdims=True)", "members = scores.softmax(dim=-1)"),
        framework="torch",
    ),
    *right("snapshot_ensemble", "one loop", snapshot_ensemble=cycles_in_one_loop),
    *right("snapshot_ensemble", "the last cycles only", snapshot_ensemble=only_the_last_cycles),
    *right(
        "snapshot_ensemble",
        "a restart after each cycle",
        ("        restart()\n", ""),
        (f"        {COPY}", f"        restart()\n        {COPY}"),
    ),
    *right("polyak_average", "shares", polyak_average=polyak_by_shares),
    *right("polyak_average", "sums", polyak_average=polyak_by_sums),
    *right(
        "polyak_average",
        "a uniform mean by its sum",
        (UNIFORM, "mean = average = (mean * (n - 1) + w) / n"),
    ),
    *right(
        "polyak_average",
        "a step towards the weights",
        (MOVING, "mean = average = mean + (1 - beta) * (w - mean)"),
    ),
    *right("train_and_select", "a while loop", train_and_select=select_by_history),
    *right(
        "train_and_select",
        "all parts but the test set asked for, in every epoch",
        (f"        {ASK}", f'        accuracy("train"), accuracy("val")\n        {ASK}'),
    ),
    *right(
        "train_and_select",
        "zero_grad last",
        ("            optimizer.zero_grad()\n", ""),
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n            optimizer.zero_grad()\n",
        ),
        ("    for _ in range(epochs)", "    optimizer.zero_grad()\n    for _ in range(epochs)"),
    ),
    *right("evaluate_average", "try and finally", evaluate_average=average_with_finally),
    *right("evaluate_average", "copy_", evaluate_average=average_in_place),
    *right(
        "evaluate_average",
        "one clone a weight",
        (KEPT, "kept = {name: w.clone() for name, w in model.state_dict().items()}"),
    ),
)

EQUIVALENT = {
    "generalization.EarlyStopping": {
        "self.best, self.best_weights, self.waited = (-self.sign * math.inf, None, 1)": FIRST,
        "self.best, self.best_weights, self.waited = (-self.sign * math.inf, None, -1)": FIRST,
        "self.best, self.best_weights, self.waited = (-self.sign * math.inf, 0, None)": FIRST,
        "self.best, self.waited, self.best_weights = (-self.sign * math.inf, None, 0)": FIRST,
    },
    "generalization.separating_scores": {"...": "any scores that separate are a right answer"},
    "generalization.polyak_average": {
        "kind, start = (config.get('kind', 'exponential_'), config.get('start', 'zero'))": (
            "whatever is not uniform is exponential"
        ),
        "return (w, config)": "the checks see a copy of what is returned",
        "average = average / (1 - beta ** n)": "the average is the mean at this point",
    },
    "generalization.train_and_select": {
        "model.zero_grad()": "the model has the same gradients as its optimizer"
    },
}
