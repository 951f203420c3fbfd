"""Pruning: single weights to zero, or whole filters and units out; both with retraining."""

from edgedigits.prune.pruning import PruneResult, PruneSettings, prune

__all__ = ["PruneResult", "PruneSettings", "prune"]
