"""What to try next, given what was found: a pure function of finished trials.

Cheapest first: the whole model as int8, then Dense layers in four bits one by one to see what each
costs, mixes of those, quantisation-aware training; then narrower models, which have to be
retrained, halving the step around what is still good enough; then other ways of storing the best of
these; last, what Optuna's sampler proposes (J. Bergstra et al., "Algorithms for Hyper-Parameter
Optimization", NeurIPS 2011), of which only what can be better than the best so far is tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgedigits.shrink.candidate import CLUSTERS, FILTERS, INT4, NARROWEST, QAT, UNITS, Candidate
from edgedigits.shrink.result import Limit, Trial, best
from edgedigits.shrink.storage import load_optuna
from edgedigits.shrink.workshop import Facts

MOST_LAYERS = 6  # Dense layers tried in four bits alone
FIRST_WIDTHS = (4, 6)  # half octaves: a quarter, and an eighth
TOGETHER = 2  # proposals of the sampler at once, so that two workers have something to do
ASKED = 200  # proposals looked at, at most, for those
NEAR = 3  # half octaves: the sampler's first proposals are all over the place
PATIENCE = 6  # sampled trials without a better one
SMALLER = 0.98  # what is no smaller than that against the best is not worth a trial
HOPELESS = 3.0  # times the drop allowed, and
MARGIN = 0.2  # percentage points more: what lost that much is not narrowed further
CLUSTERED = (32, 16)
PENALTY = 20.0  # octaves a percentage point beyond the limit, for the sampler

Step = Callable[[Sequence[Trial], Facts, Limit], list[Candidate]]


@dataclass(frozen=True)
class Stage:
    """What to try next, and why: the name of the step of the search."""

    name: str
    candidates: tuple[Candidate, ...]


def next_stage(trials: Sequence[Trial], facts: Facts, limit: Limit) -> Stage | None:
    """What to try next; None where nothing is worth it any more.

    Args:
        trials: all finished ones. facts: of the model. limit: what is wanted.
    """
    tried = {trial.candidate for trial in trials}
    for name, step in STEPS.items():
        wanted = tuple(c for c in dict.fromkeys(step(trials, facts, limit)) if c not in tried)
        if wanted:
            return Stage(name, wanted)
    return None


def _plain(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """int8, each Dense layer in four bits alone, all of them."""
    alone = facts.dense[:MOST_LAYERS] if len(facts.dense) > 1 else ()
    mixes = [*((name,) for name in alone), facts.dense]
    return [Candidate(), *(Candidate(int4=mix) for mix in mixes if mix)]


def _mixed(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """Four bits where they cost least, more and more of it; QAT where int8 loses too much."""
    by_candidate = {trial.candidate: trial for trial in trials}
    wanted = []
    only_drop = replace(limit, max_bytes=None)
    if not by_candidate[Candidate()].within(only_drop) and facts.qat:
        wanted.append(Candidate(qat=True))
    everything = by_candidate.get(Candidate(int4=facts.dense))
    if everything is None or everything.within(only_drop):
        return wanted
    order = _by_sensitivity(by_candidate, facts)
    mixes = [tuple(order[:count]) for count in range(2, len(order))]
    return wanted + [Candidate(int4=_in_order(mix, facts)) for mix in mixes]


def _by_sensitivity(by_candidate: dict[Candidate, Trial], facts: Facts) -> list[str]:
    """Dense layers by points lost for a byte saved, those that lose nothing first."""
    whole = by_candidate[Candidate()]

    def cost(name: str) -> float:
        trial = by_candidate.get(Candidate(int4=(name,)))
        if trial is None or not trial.made or not whole.made:
            return math.inf
        return (trial.drop - whole.drop) / max(1, whole.bytes - trial.bytes)

    return sorted((name for name in facts.dense if cost(name) < math.inf), key=cost)


def _in_order(names: Sequence[str], facts: Facts) -> tuple[str, ...]:
    """Names as :attr:`Facts.dense` has them, so that equal candidates are equal."""
    return tuple(name for name in facts.dense if name in names)


def _narrow(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """Filters and units narrowed alike, stored as int8: where is it still good enough?"""
    if not facts.kinds:
        return []
    if limit.max_drop is None:
        return _fitting(facts, limit)
    only_drop = replace(limit, max_bytes=None)
    known = {
        level: trial.within(only_drop)
        for level in range(1, NARROWEST + 1)
        for trial in trials
        if trial.candidate == _level(level, facts)
    }
    if not known:
        return [_level(level, facts) for level in FIRST_WIDTHS]
    good = max((level for level, passed in known.items() if passed), default=0)
    bad = min((level for level, passed in known.items() if not passed and level > good), default=0)
    if not bad:
        return [_level(level, facts) for level in (good + 2, good + 4) if level <= NARROWEST]
    return [_level((good + bad) // 2, facts)] if bad - good > 1 else []


def _fitting(facts: Facts, limit: Limit) -> list[Candidate]:
    """The widest int8 and the widest int4 that stay below the bytes allowed."""
    assert limit.max_bytes is not None
    found = []
    for int4 in ((), facts.dense) if facts.dense else ((),):
        for level in range(NARROWEST + 1):
            candidate = replace(_level(level, facts), int4=int4)
            if facts.estimate(candidate) <= limit.max_bytes:
                found.append(candidate)
                break
    return found


def _level(level: int, facts: Facts) -> Candidate:
    return Candidate(
        filters=level if "Conv2D" in facts.kinds else 0,
        units=level if "Dense" in facts.kinds else 0,
    )


def _stored(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """The best narrow model in four bits; the next narrower one, which just failed, with QAT."""
    found = best(trials, limit)
    if found is None or not found.candidate.narrowed:
        return []
    shape = replace(found.candidate, int4=(), qat=False)
    wanted = [replace(shape, int4=facts.dense)] if facts.dense else []
    if len(facts.dense) > 1:
        wanted.append(replace(shape, int4=facts.dense[:1]))
    failed = [
        trial
        for trial in trials
        if trial.made and trial.stage == NARROW and 0 < limit.excess(trial.drop) <= MARGIN
    ]
    wanted += [replace(trial.candidate, qat=True) for trial in failed]
    return [c for c in wanted if _worth_it(c, trials, facts, limit)]


def _clustered(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """Fewer distinct weights in the best file; only gzip sees it."""
    found = best(trials, limit)
    if not limit.packed or found is None or found.candidate.int4 or found.candidate.clusters:
        return []
    return [replace(found.candidate, clusters=count) for count in CLUSTERED]


def _sampled(trials: Sequence[Trial], facts: Facts, limit: Limit) -> list[Candidate]:
    """What the sampler proposes and could be better than the best so far."""
    found = best(trials, limit)
    latest = -1 if found is None else found.number
    since = sum(trial.number > latest and trial.stage == SAMPLED for trial in trials)
    if not facts.kinds or since >= PATIENCE:
        return []
    study = _memory(trials, facts, limit)
    wanted: list[Candidate] = []
    tried = {trial.candidate for trial in trials}
    for _ in range(ASKED):
        candidate = Candidate.from_params(study.ask(space(facts, limit)).params)
        candidate = replace(candidate, int4=_in_order(candidate.int4, facts))
        if candidate in tried or candidate in wanted or (candidate.qat and candidate.int4):
            continue
        if found is not None and _far(candidate, found.candidate):
            continue
        if candidate.narrowed and _worth_it(candidate, trials, facts, limit):
            wanted.append(candidate)
            if len(wanted) == TOGETHER:
                break
    return wanted


def _far(candidate: Candidate, good: Candidate) -> bool:
    """Whether a candidate is of quite another shape than the best so far, which is narrowed."""
    steps = candidate.filters - good.filters, candidate.units - good.units
    return good.narrowed and max(map(abs, steps)) > NEAR


def _memory(trials: Sequence[Trial], facts: Facts, limit: Limit) -> Any:
    """The finished trials as a study of one objective: octaves of bytes, and what is lost."""
    optuna = load_optuna()
    sampler = optuna.samplers.TPESampler(seed=len(trials), n_startup_trials=4, multivariate=True)
    study = optuna.create_study(sampler=sampler)
    for trial in trials:
        if trial.made:
            study.add_trial(
                optuna.trial.create_trial(
                    params=trial.candidate.params(facts.dense),
                    distributions=space(facts, limit),
                    value=_score(trial, limit),
                )
            )
    return study


def _score(trial: Trial, limit: Limit) -> float:
    octaves = math.log2(max(1, trial.size(limit)))
    if limit.max_drop is not None:
        return octaves + PENALTY * limit.excess(trial.drop)
    assert limit.max_bytes is not None
    return trial.drop + max(0.0, octaves - math.log2(limit.max_bytes))


def space(facts: Facts, limit: Limit | None = None) -> dict[str, Any]:
    """The distributions of a trial's parameters, by name.

    Args:
        limit: only what can help to meet it; None: all that a candidate may be.
    """
    distributions = load_optuna().distributions
    choice = distributions.CategoricalDistribution
    every = limit is None
    width = distributions.IntDistribution(0, NARROWEST)
    no_width = distributions.IntDistribution(0, 0)
    return {
        FILTERS: width if every or "Conv2D" in facts.kinds else no_width,
        UNITS: width if every or "Dense" in facts.kinds else no_width,
        QAT: choice([False, True]),
        CLUSTERS: choice([0, *CLUSTERED] if limit is None or limit.packed else [0]),
        **{INT4 + name: choice([False, True]) for name in facts.dense},
    }


def _worth_it(candidate: Candidate, trials: Sequence[Trial], facts: Facts, limit: Limit) -> bool:
    """Whether a file could be better than the best so far, by its size and by what failed."""
    size = facts.estimate(candidate)
    found = best(trials, limit)
    if limit.max_bytes is not None and not limit.packed and size > limit.max_bytes:
        return False
    if limit.max_drop is None:
        return found is None or size > found.bytes / 2
    if found is not None and size > SMALLER * found.bytes and not candidate.clusters:
        return False
    lost = HOPELESS * limit.max_drop + MARGIN
    return not any(
        trial.made and trial.drop > lost and _covers(trial.candidate, candidate) for trial in trials
    )


def _covers(wide: Candidate, narrow: Candidate) -> bool:
    """Whether one candidate has all that the other has, and maybe more."""
    return (
        wide.filters <= narrow.filters
        and wide.units <= narrow.units
        and set(wide.int4) <= set(narrow.int4)
        and wide.qat >= narrow.qat
        and wide.clusters == narrow.clusters
    )


NARROW, SAMPLED = "narrower", "sampled"
STEPS: dict[str, Step] = {
    "whole": _plain,
    "mixed": _mixed,
    NARROW: _narrow,
    "stored": _stored,
    SAMPLED: _sampled,
    "clustered": _clustered,
}
