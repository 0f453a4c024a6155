"""Wrong and other right answers of the family `schedules`."""

import copy
import math
from typing import TYPE_CHECKING

from autograder.misconceptions.records import SLIP, fundamental, grouped, right, wrong

if TYPE_CHECKING:  # an answer finds these beside it
    from cs231n_lib.schedules.shared import cosine_restarts, step_decay

# ------------------------------------------------------------------ decay

STEP = wrong(
    "step_decay",
    (
        "the decay compounds",
        "After the second drop your rate is lower than factor², and after the third much lower "
        "still: a rate that has dropped already is lowered by all drops so far. Of which rate is "
        "the power taken?",
        ("factor**drops", "factor ** (drops * (drops + 1) / 2)"),
    ),
    (
        "the rate falls in every step",
        "Between two drops the rate should stay where it is. How do you count whole intervals?",
        ("t // every", "t / every"),
    ),
    (
        "one drop for every step",
        "The rate is multiplied by the factor in each step. How many drops are there in `every` "
        "steps?",
        ("t // every", "t"),
    ),
    (
        "drops one step early",
        "With a drop every 4 steps, steps 0 to 3 have the first rate: t counts the steps that are "
        "done, and is 0 at the first. At which t do you drop?",
        SLIP,
        ("t // every", "(t + 1) // every"),
    ),
    (
        "drops one step late",
        "With a drop every 4 steps, step 4 is the first with the lower rate. At which t do you "
        "drop, and what happens at t = 0?",
        SLIP,
        ("t // every", "(t - 1) // every"),
    ),
    (
        "drops one step late, and none before the start",
        "With a drop every 4 steps, step 4 is the first with the lower rate. At which t do you "
        "drop?",
        grouped("drops one step late"),
        SLIP,
        ("t // every", "(max(t, 1) - 1) // every"),
    ),
    (
        "the nearest drop",
        "With a drop every 10 steps, yours comes at step 5 or 6. How many drops lie behind you in "
        "the middle of an interval?",
        ("t // every", "round(t / every)"),
    ),
    (
        "divided by the factor",
        "A factor of 0.5 leaves half of the rate after a drop. Yours is then twice as large.",
        ("rate * factor**drops", "rate / factor**drops"),
    ),
    (
        "a drop at the start of every interval",
        "At t = 1 your rate has dropped already. With a drop every 4 steps, how many drops lie "
        "behind steps 1, 2 and 3?",
        ("t // every", "-(-t // every)"),
    ),
    (
        "a single drop",
        "Your rate drops once and then stays. How many drops lie behind step t?",
        ("t // every", "min(t // every, 1)"),
    ),
    (
        "remainder for quotient",
        "Your rate returns to where it started at every multiple of the interval: % is what is "
        "left over. How do you count the intervals themselves?",
        ("t // every", "t % every"),
    ),
    (
        "lowered by the factor, not to it",
        "A factor of 0.9 leaves nine tenths of the rate, and you leave one tenth.",
        ("factor**drops", "(1 - factor) ** drops"),
    ),
    (
        "factor times drops",
        "Before the first drop your rate is zero. Two drops multiply the rate twice: which "
        "operation repeats a multiplication?",
        ("factor**drops", "(factor * drops)"),
    ),
    (
        "a fraction of the first rate at each drop",
        "You subtract factor times the first rate at each drop, so that the rate goes below zero. "
        "A drop leaves the share `factor` of what the rate is at that time.",
        ("factor**drops", "(1 - factor * drops)"),
    ),
    (
        "the same amount at each drop",
        "Your rate falls on a straight staircase and goes below zero. A drop takes a fraction of "
        "what the rate is at that time.",
        ("factor**drops", "(1 - (1 - factor) * drops)"),
    ),
)

EXPONENTIAL = wrong(
    "exponential_decay",
    (
        "the decay compounds",
        "The rate at t is reached from the first rate in one go. Yours is lowered again by every "
        "step before it, so that t(t + 1)/2 stands where t should.",
        ("-k * t", "-k * t * (t + 1) / 2"),
    ),
    (
        "the rate grows",
        "Your rates rise. What sign has the exponent on slide 50?",
        ("-k * t", "k * t"),
    ),
    (
        "powers of 1 − k",
        "(1 − k)ᵗ is close to what is asked while k is small, and not the same: slide 50 has the "
        "number e in it.",
        ("math.exp(-k * t)", "(1 - k) ** t"),
    ),
    (
        "powers of 2",
        "With a base of 2, k counts halvings. Which base does slide 50 have?",
        ("math.exp(-k * t)", "2 ** (-k * t)"),
    ),
    (
        "k as the factor",
        "You multiply by k in every step. The factor of one step is what e to the power −k is.",
        ("math.exp(-k * t)", "k**t"),
    ),
    (
        "k as a time",
        "Your k is the time after which 1/e is left, so a larger k makes the decay slower. On "
        "slide 50 it makes it faster.",
        ("-k * t", "-t / k"),
    ),
    (
        "the first rate is left out",
        "Your rates begin at 1. Where does α₀ come in?",
        ("rate * math", "math"),
    ),
    (
        "a straight line",
        "Your rate falls by the same amount in every step and goes below zero. The exponential is "
        "close to its tangent at the start only.",
        ("math.exp(-k * t)", "(1 - k * t)"),
    ),
)

INVERSE = wrong(
    "inverse_time_decay",
    (
        "t in the exponent",
        "A power of t falls exponentially: the same factor in every step. 1/t decay should slow "
        "down. Look at what slide 50 divides by.",
        ("(1 + k * t)", "(1 + k) ** t"),
    ),
    (
        "the decay compounds",
        "The rate at t is reached from the first rate in one go. You divide again in every step, "
        "by the product of all divisors so far.",
        ("(1 + k * t)", "math.prod(1 + k * s for s in range(t + 1))"),
    ),
    (
        "divided by kt alone",
        "At t = 0 you divide by zero. Which term of the divisor keeps it away from that?",
        fundamental("no first rate, and every later one is too large"),
        ("(1 + k * t)", "(k * t)"),
    ),
    (
        "k in place of the one",
        "At t = 0 your rate is divided by k, and should be the first rate. Which term of the "
        "divisor does not depend on k?",
        fundamental("no first rate, and k is nowhere a speed"),
        ("(1 + k * t)", "(k + t)"),
    ),
    (
        "a straight line",
        "Your rate falls by the same amount in every step and goes below zero. The 1/t decay is "
        "close to its tangent at the start only.",
        ("rate / (1 + k * t)", "rate * (1 - k * t)"),
    ),
    (
        "precedence",
        "Division comes before addition: without brackets only the first term is under the line.",
        ("rate / (1 + k * t)", "rate / 1 + k * t"),
    ),
    (
        "one step ahead",
        "At t = 0 the rate should be the first rate. What is yours?",
        fundamental("every rate is that of the next step"),
        ("k * t", "k * (t + 1)"),
    ),
    (
        "a square root",
        "The rates of AdaGrad fall like 1/√t under gradient noise. This one falls like 1/t.",
        ("(1 + k * t)", "math.sqrt(1 + k * t)"),
    ),
    (
        "k as a time",
        "In your version a larger k makes the decay slower. On slide 50, at which t is half left?",
        ("k * t", "t / k"),
    ),
    (
        "exponential decay",
        "That is the other smooth decay of slide 50: it leaves the same share in every step.",
        ("rate / (1 + k * t)", "rate * math.exp(-k * t)"),
    ),
)

SEPARATING = wrong(
    "separating_step",
    (
        "the first step",
        "At t = 0 nothing has happened yet. Follow both functions drop by drop: how often has each "
        "of them multiplied by the factor?",
        ("drops * every", "0 * every"),
    ),
    (
        "before the first drop",
        "No function has lowered the rate at this step. Go on to where something happens.",
        ("drops * every", "every - 1"),
    ),
    (
        "after the first drop",
        "The power 1 is the only one that does not show whether powers are multiplied up. Go on to "
        "the next drop.",
        ("drops * every", "every"),
    ),
    (
        "out of range",
        "A test has to end: t should be a whole number from 0 to 199.",
        ("drops * every", "1000 * every"),
    ),
)

# ------------------------------------------------------------------ cycles

ANGLE = "math.pi * t / period"
CYCLES = "range(int(t // period).bit_length())"
EVERY_CYCLE = (CYCLES, "range(int(t // period))")

RESTARTS = wrong(
    "cosine_restarts",
    (
        "the low rate is reached before the restart",
        "In a cycle of T steps T_cur runs from 0 to T − 1, and half a wave would be full at T, "
        "which is already the first step of the next cycle. Yours is full one step too soon.",
        (ANGLE, "math.pi * t / max(period - 1, 1)"),
    ),
    (
        "cycles one step too long",
        "Your cycles have a step more than `period`. At which t does the first restart come?",
        ("    for _", "    period += 1\n    for _"),
    ),
    (
        "the low rate is held for a step",
        "At the end of a cycle yours stays for one step at the low rate, and the high rate comes a "
        "step late. Which t is the first that does not belong to the cycle any more?",
        ("t >= period", "t > period"),
    ),
    (
        "the low rate is held for a step, in equal cycles too",
        "At the end of a cycle yours stays for one step at the low rate, and the high rate is "
        "never seen again. Which t is the first that does not belong to the cycle any more?",
        grouped("the low rate is held for a step"),
        ("t % period if multiple == 1 else t", "t"),
        ("range(int(t // period).bit_length())", "range(int(t // period))"),
        ("t >= period", "t > period"),
    ),
    (
        "the high rate is repeated",
        "After a restart two steps in a row have the high rate. T_cur is 0 in one step of a cycle "
        "only.",
        (ANGLE, "math.pi * max(t - 1, 0) / period"),
    ),
    (
        "no restart",
        "After its first cycle your rate climbs back along the cosine. A warm restart is a jump.",
        ("if t >= period", "if False"),
    ),
    (
        "held at the low rate",
        "Your rate stays low after the first cycle. Where are the restarts?",
        (
            "if t >= period:\n            t = t - period  # SGDR.1\n"
            "            period = period * multiple  # SGDR.2",
            "t = min(t, period)",
        ),
    ),
    (
        "a restart once",
        "The second cycle ends without another restart. How many cycles can lie behind step t?",
        (CYCLES, "range(1)"),
    ),
    (
        "the low rate is ignored",
        "Your cycles fall towards zero. They should fall towards `low`.",
        ("low + 0.5 * (high - low)", "0.5 * high"),
    ),
    (
        "the low rate is added on top",
        "At the start of a cycle your rate is above `high`. How far is it from top to bottom?",
        ("(high - low)", "high"),
    ),
    (
        "the half is missing",
        "1 + cos runs from 2 to 0. How much of the way from high to low is one unit of it?",
        fundamental("every rate is twice what it should be"),
        ("0.5 * ", ""),
    ),
    (
        "a whole wave",
        "Within one cycle your rate goes down and up again. How much of the circle is half a wave?",
        (ANGLE, "2 * math.pi * t / period"),
    ),
    (
        "a quarter of a wave",
        "Your cycle ends half-way. The cosine has to go from 1 to −1.",
        (ANGLE, "0.5 * math.pi * t / period"),
    ),
    (
        "degrees",
        "math.cos takes radians. How large is half a circle in radians?",
        (ANGLE, "180 * t / period"),
    ),
    (
        "upside down",
        "Your cycles start low and rise. At T_cur = 0 the cosine is 1 and the rate should be high.",
        fundamental("the rate is high where it should be low, at all times"),
        ("(1 + math.cos", "(1 - math.cos"),
    ),
    (
        "straight lines",
        "Your cycles are saw teeth. Slides 66 and 67 have half a wave of a cosine.",
        (f"(1 + math.cos({ANGLE}))", "(2 - 2 * t / period)"),
    ),
    (
        "all cycles equally long",
        "What is `multiple` for? The second cycle should be so many times as long as the first.",
        ("period * multiple", "period"),
        EVERY_CYCLE,
    ),
    (
        "longer by addition",
        "Your cycles grow by the same number of steps. They should grow by the same factor.",
        ("period * multiple", "period + multiple"),
        EVERY_CYCLE,
    ),
    (
        "the first cycle is already longer",
        "The first cycle has `period` steps. When is the length multiplied for the first time?",
        ("    for _", "    period *= multiple\n    for _"),
    ),
    (
        "the longer cycle is taken off",
        "When a cycle is over, its own length is subtracted from t, and then the next one gets its "
        "length. You do it in the other order.",
        (
            "t = t - period  # SGDR.1\n            period = period * multiple",
            "period = period * multiple\n            t = max(t - period, 0)",
        ),
    ),
    (
        "only whole steps",
        "Between two epochs your rate stands still. In t = 2.5 there is half an epoch more than in "
        "t = 2, and the cosine can tell.",
        ("    for _", "    t = int(t)\n    for _"),
    ),
)

WARMUP = wrong(
    "linear_warmup",
    (
        "starts from zero",
        "Your first rate is zero: that step is lost. `share` says with how much to begin.",
        ("(share + (1 - share) * done)", "done"),
    ),
    (
        "never stops",
        "After the warm-up your rate keeps rising. What should happen to t / steps when it is 1?",
        ("min(t / steps, 1.0)", "t / steps"),
    ),
    (
        "one step ahead",
        "At t = 0 the rate should be share · rate, and yours is a step further. t counts the steps "
        "that are done.",
        ("t / steps", "(t + 1) / steps"),
    ),
    (
        "arrives one step early",
        "After how many steps should the whole rate be there? Yours arrives one step before that.",
        ("t / steps", "t / (steps - 1)"),
    ),
    (
        "share as a rate",
        "`share` is a part of the rate, not a rate of its own: with rate 0.4 and share 0.25 the "
        "first rate is 0.1.",
        ("rate * (share + (1 - share) * done)", "share + (rate - share) * done"),
    ),
    (
        "the share is added on top",
        "In the end your rate is above the one that was asked for. How much is left to climb when "
        "you begin at `share`?",
        ("(1 - share) * done", "done"),
    ),
    (
        "a jump in the end",
        "Your rate waits at the bottom and then jumps. It should climb a little in every step.",
        ("min(t / steps, 1.0)", "min(t // steps, 1.0)"),
    ),
)

# ------------------------------------------------------------------ wire the pipeline

NEVER_PER_EPOCH = ('        if per == "epoch":\n            scheduler.step()  # Wire.2\n', "")
STEP_AND_SCHEDULE = (
    "            optimizer.step()  # Wire.1\n"
    '            if per == "batch":\n'
    "                scheduler.step()  # Wire.2\n"
)

PIPELINE = wrong(
    "train_with_schedule",
    (
        "the weights of the worst epoch",
        "You keep the weights with the lowest score. Look at the comparison and at what it starts "
        "from.",
        ("best = -math.inf", "best = math.inf"),
        ("score > best", "score < best"),
    ),
    (
        "per epoch, and after every batch as well",
        "A schedule that counts epochs moves on once an epoch, and yours after each batch, too.",
        (
            '            if per == "batch":\n                scheduler.step()',
            "            scheduler.step()",
        ),
    ),
    (
        "always stepped per batch",
        "This schedule counts epochs, and you move it on after every batch: it runs through its "
        "whole plan in the first few epochs. Where does each of the two kinds of step belong?",
        (
            'if per == "batch":\n                scheduler.step()  # Wire.2\n'
            '        if per == "epoch":\n            scheduler.step()  # Wire.2',
            "scheduler.step()",
        ),
    ),
    (
        "always stepped per epoch",
        "This schedule counts batches, and you move it on once an epoch: it hardly gets anywhere.",
        (
            'if per == "batch":\n                scheduler.step()  # Wire.2\n'
            '        if per == "epoch":\n            scheduler.step()  # Wire.2',
            "pass\n        scheduler.step()",
        ),
    ),
    (
        "stepped per batch and per epoch",
        "In every epoch your scheduler moves on once too often. `per` is one or the other.",
        (
            '        if per == "epoch":\n            scheduler',
            "        if True:\n            scheduler",
        ),
    ),
    (
        "scheduler before optimizer",
        "The first rate of the schedule is never used: at the first step of the optimizer the "
        "scheduler has moved on already. Which of the two comes first?",
        (
            STEP_AND_SCHEDULE,
            '            if per == "batch":\n'
            "                scheduler.step()\n"
            "            optimizer.step()\n",
        ),
        NEVER_PER_EPOCH,
        (
            "        for batch in batches:\n",
            '        if per == "epoch":\n            scheduler.step()\n'
            "        for batch in batches:\n",
        ),
    ),
    (
        "scheduler before optimizer, per batch",
        "The first rate of the schedule is never used: at the first step of the optimizer the "
        "scheduler has moved on already. Which of the two comes first?",
        grouped("scheduler before optimizer"),
        (
            STEP_AND_SCHEDULE,
            '            if per == "batch":\n'
            "                scheduler.step()\n"
            "            optimizer.step()\n",
        ),
    ),
    (
        "the scheduler is never stepped",
        "All steps are taken at the first rate. Who tells the scheduler that time goes by?",
        (
            'if per == "batch":\n                scheduler.step()  # Wire.2\n'
            '        if per == "epoch":\n            scheduler.step()  # Wire.2',
            "pass",
        ),
    ),
    (
        "gradients pile up",
        "From the second step on, the gradients of earlier batches are in it too: backward() adds "
        "to what is there. What has to happen between two batches?",
        ("            optimizer.zero_grad()\n", ""),
    ),
    (
        "gradients forgotten once an epoch",
        "Within an epoch the gradients of earlier batches stay in. How often do they have to go?",
        (
            "        for batch in batches:\n            optimizer.zero_grad()\n",
            "        optimizer.zero_grad()\n        for batch in batches:\n",
        ),
    ),
    (
        "gradients forgotten before the step",
        "The weights do not move: the gradients are set to zero between backward() and the step.",
        (
            "            optimizer.zero_grad()\n            loss_of(batch).backward()\n",
            "            loss_of(batch).backward()\n            optimizer.zero_grad()\n",
        ),
    ),
    (
        "step before backward",
        "The optimizer steps before the gradient of its batch is there: every step follows the "
        "batch before, and the first follows nothing.",
        (
            "            optimizer.zero_grad()\n"
            "            loss_of(batch).backward()\n"
            "            optimizer.step()  # Wire.1\n",
            "            optimizer.step()\n"
            "            optimizer.zero_grad()\n"
            "            loss_of(batch).backward()\n",
        ),
    ),
    (
        "the best weights are aliased",
        "You kept the live weights, not a picture of them: further training changes what you kept, "
        "so the last weights come back. What does state_dict() return?",
        ("copy.deepcopy(model.state_dict())", "model.state_dict()"),
    ),
    (
        "a shallow copy of the weights",
        "A copy of the dict is a new dict that holds the same arrays, and training goes on in "
        "those. How deep must the copy go?",
        ("copy.deepcopy(model.state_dict())", "dict(model.state_dict())"),
    ),
    (
        "the last weights stay",
        "After training the model has the weights of the last epoch. You kept better ones: give "
        "them back.",
        ("    model.load_state_dict(kept)\n", ""),
    ),
    (
        "the worst epoch is kept",
        "Higher scores are better here, and you keep the lowest.",
        ("score > best", "score < -best"),
        ("best, kept = score", "best, kept = -score"),
    ),
    (
        "validated after every batch",
        "The score is asked for in the middle of an epoch, where the plan has no validation: one "
        "of those numbers is higher by chance, and its weights are not those of a whole epoch.",
        (
            "        score = evaluate()\n"
            "        if score > best:\n"
            "            best, kept = score, copy.deepcopy(model.state_dict())\n",
            "",
        ),
        (
            "            optimizer.step()  # Wire.1\n",
            "            optimizer.step()  # Wire.1\n"
            "            score = evaluate()\n"
            "            if score > best:\n"
            "                best, kept = score, copy.deepcopy(model.state_dict())\n",
        ),
    ),
    (
        "the last score is returned",
        "You return what came last. Which score belongs to the weights that the model has now?",
        ("return best", "return score"),
    ),
    (
        "validated before the epoch",
        "Your score is that of the weights before the epoch, so the last epoch is never judged.",
        ("        score = evaluate()\n", ""),
        (
            "        for batch in batches:\n",
            "        score = evaluate()\n        for batch in batches:\n",
        ),
    ),
)

MISCONCEPTIONS = (
    *STEP,
    *EXPONENTIAL,
    *INVERSE,
    *SEPARATING,
    *RESTARTS,
    *WARMUP,
    *PIPELINE,
)

# ------------------------------------------------------------------ other right answers


def step_by_loop(t, rate, factor, every):
    """Go through the drops one by one."""
    drop = every
    while drop <= t:
        rate = rate * factor
        drop += every
    return rate


def exponential_by_loop(t, rate, k):
    """Multiply by the factor of one step."""
    for _ in range(t):
        rate *= math.exp(-k)
    return rate


def restarts_by_formula(t, high, low, period, multiple):
    """Find the cycle with a logarithm, as PyTorch does."""
    if multiple == 1:
        now, length = t % period, period
    else:
        cycle = int(math.log(t / period * (multiple - 1) + 1, multiple))
        now = t - period * (multiple**cycle - 1) / (multiple - 1)
        length = period * multiple**cycle
    return low + (high - low) * (1 + math.cos(math.pi * now / length)) / 2


def restarts_by_recursion(t, high, low, period, multiple):
    """Leave a whole cycle to another call."""
    if t < period:
        return low + (high - low) * math.cos(math.pi * t / period / 2) ** 2
    return cosine_restarts(t - period, high, low, period * multiple, multiple)


def warmup_by_cases(t, rate, steps, share):
    """Say what happens before and what after."""
    if t >= steps:
        return rate
    start = rate * share
    return start + (rate - start) * t / steps


def zero_grad_last(model, optimizer, scheduler, per, batches, loss_of, evaluate, epochs):
    """Set the gradients to zero after each step, and count the steps."""
    best, weights, done = None, None, 0
    optimizer.zero_grad()
    while done < epochs * len(batches):
        loss_of(batches[done % len(batches)]).backward()
        optimizer.step()
        optimizer.zero_grad()
        done += 1
        end_of_epoch = done % len(batches) == 0
        if per == "batch" or end_of_epoch:
            scheduler.step()
        if end_of_epoch:
            score = evaluate()
            if best is None or score > best:
                best = score
                weights = {name: w + 0 for name, w in model.state_dict().items()}
    model.load_state_dict(weights)
    return best


def history_kept(model, optimizer, scheduler, per, batches, loss_of, evaluate, epochs):
    """Keep the weights of all epochs, switch modes, and choose in the end."""
    scores, states = [], []
    for _epoch in range(epochs):
        model.train()
        for batch in batches:
            loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
            if per != "epoch":
                scheduler.step()
        model.eval()
        scores.append(evaluate())
        states.append(copy.deepcopy(model.state_dict()))
        if per != "batch":
            scheduler.step()
    model.load_state_dict(states[scores.index(max(scores))])
    return max(scores)


def separate_by_search(factor, every):
    """Try one step after the other."""
    from autograder.exercises.schedules import compounding_step_decay

    for t in range(200):
        own = step_decay(t, 1.0, factor, every)
        if abs(own - compounding_step_decay(t, 1.0, factor, every)) > 0.1 * own:
            return t
    return None


VARIANTS = (
    *right("step_decay", "a loop over the drops", step_decay=step_by_loop),
    *right("step_decay", "math.floor", ("t // every", "math.floor(t / every)")),
    *right("step_decay", "int", ("t // every", "int(t / every)")),
    *right("step_decay", "by exponential", ("factor**drops", "math.exp(drops * math.log(factor))")),
    *right("exponential_decay", "a power of e", ("math.exp(-k * t)", "math.e ** (-k * t)")),
    *right(
        "exponential_decay", "a quotient", ("rate * math.exp(-k * t)", "rate / math.exp(k * t)")
    ),
    *right("exponential_decay", "a loop", exponential_decay=exponential_by_loop),
    *right("exponential_decay", "a power of a power", ("math.exp(-k * t)", "math.exp(-k) ** t")),
    *right("inverse_time_decay", "a product", ("rate / (1 + k * t)", "rate * (1 + k * t) ** -1")),
    *right(
        "inverse_time_decay",
        "two lines",
        ("return rate / (1 + k * t)", "t = 1 + k * t\n    return rate / t"),
    ),
    *right(
        "inverse_time_decay",
        "the inverse is linear",
        ("rate / (1 + k * t)", "1 / (1 / rate + k / rate * t)"),
    ),
    *right("cosine_restarts", "by logarithm", cosine_restarts=restarts_by_formula),
    *right(
        "cosine_restarts",
        "by recursion, with a squared cosine",
        cosine_restarts=restarts_by_recursion,
    ),
    *right(
        "cosine_restarts",
        "a weighted mean",
        (
            f"low + 0.5 * (high - low) * (1 + math.cos({ANGLE}))",
            f"(high * (1 + math.cos({ANGLE})) + low * (1 - math.cos({ANGLE}))) / 2",
        ),
    ),
    *right("linear_warmup", "by cases", linear_warmup=warmup_by_cases),
    *right(
        "linear_warmup",
        "a weighted mean",
        ("(share + (1 - share) * done)", "(share * (1 - done) + done)"),
    ),
    *right(
        "linear_warmup",
        "the smaller of two lines",
        ("min(t / steps, 1.0)", "min(t, steps) / steps"),
    ),
    *right("train_with_schedule", "zero_grad last, one loop", train_with_schedule=zero_grad_last),
    *right("train_with_schedule", "all epochs kept", train_with_schedule=history_kept),
    *right(
        "train_with_schedule",
        "scheduler after validation",
        NEVER_PER_EPOCH,
        (
            "    model.load_state_dict(kept)",
            '        if per == "epoch":\n            scheduler.step()\n'
            "    model.load_state_dict(kept)",
        ),
    ),
    *right("separating_step", "the third drop", ("drops * every", "3 * every")),
    *right("separating_step", "as late as possible", ("drops * every", "199")),
    *right("separating_step", "a search", separating_step=separate_by_search),
)

EQUIVALENT = {
    "schedules.cosine_restarts": {
        "for _ in range(int(t).bit_length()):": "more turns than needed do nothing"
    },
    "schedules.linear_warmup": {"done = min(1.0, t / steps)": "the smaller of two in any order"},
    "schedules.separating_step": {"...": "any step that separates is a right answer"},
    "schedules.train_with_schedule": {
        "if score >= best:": "no two epochs have the same score",
        "model.zero_grad()": "the model has the same gradients as its optimizer",
    },
}
