r"""Transfer learning (slides 97–107): a network that has learnt one thing helps to learn another.

Features are arrays, and what is done with them stands in `in_numpy`. What is done to the parameters
and batch norms of a network has a meaning only where there are modules: it stands in `in_torch`.

Features :math:`h` of one stage, the mean over the pixels of each channel:

.. math::
    h_{nc} = \frac{1}{HW} \sum_{ij} a_{ncij}                                && \text{(Feature.1)}

A linear probe is a new linear classifier on features that stay as they are (slide 99; Donahue et
al. 2014, arXiv:1310.1531; Razavian et al. 2014, arXiv:1403.6382). Each feature is standardized with
mean :math:`\mu` and standard deviation :math:`\sigma` of the *training* examples, and the penalty
is the one that is best on validation data:

.. math::
    z &= (h - \mu) \, / \, \sigma                                             && \text{(Probe.1)} \\
    \lambda^* &= \arg\max_\lambda \; \text{accuracy on validation data}       && \text{(Probe.2)}

A new head begins at zero, so that the first loss is :math:`\log C` and the first step leaves the
network below it alone:

.. math::
    W = 0, \qquad b = 0                                                       && \text{(Head.1)}

A frozen part gets no gradient, not even an old one, and its batch norms use the statistics that
they have, in training too:

.. math::
    \nabla_\theta L &= \text{none}                                           && \text{(Freeze.1)} \\
    \hat x &= (x - \mu_{run}) \, / \sqrt{\sigma^2_{run} + \varepsilon}        && \text{(Freeze.2)}

Fine-tuning: the deeper below the head, the smaller the rate; parts thaw one after the other (Howard
& Ruder 2018, arXiv:1801.06146):

.. math::
    \alpha_d &= \alpha \, f^d, \qquad d = 0 \text{ for the head}               && \text{(Tune.1)} \\
    \theta &\leftarrow \theta - \alpha_d \, \nabla_\theta L                    && \text{(Tune.2)}

==================  ===================  =========================  ==========================
                    very similar data    very different data        what is trained
==================  ===================  =========================  ==========================
very little data    probe of the top     probe of another stage     a linear classifier
quite a lot         fine-tune a little   fine-tune a larger number  the upper parts; all parts
==================  ===================  =========================  ==========================

The table is that of slide 104; lesson 12 fills it from measurements.
"""
