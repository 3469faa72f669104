"""The error budget: how far scores are from the reference, and which stage takes them there.

The reference is a float32 forward pass with the sigmoid in float64. What a stage is, what is
swapped for what and in which orders stands in :mod:`analysis.budgets.stages`; when a tie comes from
a stage, in :mod:`analysis.budgets.origins`; how far logits move without any change of precision,
in :mod:`analysis.budgets.noise`; what a logit owes to its batch, in
:mod:`analysis.budgets.batching`; what weights, activations, head and batch of any forward format
add to its error, in :mod:`analysis.budgets.networks`; and what float32 logits alone foretell, in
:mod:`analysis.budgets.prediction`.
"""

from analysis.budgets.noise import noise_floor
from analysis.budgets.prediction import predict
from analysis.budgets.splitting import ErrorBudget, budget_of, error_budget, staged_logits

__all__ = ["ErrorBudget", "budget_of", "error_budget", "noise_floor", "predict", "staged_logits"]
