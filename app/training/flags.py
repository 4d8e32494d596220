"""The recipe of a training on the command line: a flag for each of its parts."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from app.arguments import number, whole_number
from app.training.model import Recipe

if TYPE_CHECKING:
    from collections.abc import Collection

BOUNDS: dict[str, dict[str, Any]] = {
    "epochs": {"type": whole_number(1, 10_000)},
    "lr": {"type": number(0, 100, above=True)},
    "l2": {"type": number(0, 1e6)},
    "seed": {"type": whole_number(0, 2**62)},
    "negatives_per_positive": {"type": whole_number(0, 100), "metavar": "N"},
    "eval_negatives": {"type": whole_number(0, 10_000), "metavar": "N"},
    "windows": {"type": whole_number(1, 1_000), "metavar": "N"},
    "window_days": {"type": whole_number(1, 365), "metavar": "DAYS"},
}
HELP = {
    "recipe": "windows: examples from fortnights before now, with what was known at the start of "
    "each; reference: all examples at this moment; auto: windows if they hold enough",
    "feature_set": "base: the reference's eight features; extended: those and what was attended; "
    "site: what RECOMMENDER_FEATURE_SET says",
    "windows": "windows to take examples from, besides the newest, which judges",
    "window_days": "length of a window",
    "solver": "newton: the exact optimum; sgd: the same objective by mini-batches",
    "history": "in the reference's recipe, leave an example's own event out of its history, or "
    "keep it in as the reference does, which leaks the label",
    "epochs": "passes of sgd over the examples",
    "lr": "step size of sgd",
    "l2": "L2 penalty on all weights but the bias",
    "penalty": "what L2 weighs: weights as they are (plain), or each times the standard deviation "
    "of its feature; auto: plain with the base set",
    "seed": "seed of all sampling",
    "negatives_per_positive": "sampled negatives for each positive",
    "eval_negatives": "events each held-out positive has to beat for hitrate@10; 0 holds nothing "
    "out",
}


def add_recipe_flags(group: argparse._ArgumentGroup, without: Collection[str] = ()) -> None:
    """Add the flags, with the recipe's own defaults; an unknown value is a usage error."""
    hints = get_type_hints(Recipe)
    for part in fields(Recipe):
        if part.name in without:
            continue
        default = getattr(Recipe, part.name)
        settings = dict(BOUNDS.get(part.name, {}))
        if choices := get_args(hints[part.name]):
            settings["choices"] = choices
        elif isinstance(default, bool):
            settings["action"] = argparse.BooleanOptionalAction
        group.add_argument(
            f"--{part.name.replace('_', '-')}",
            default=default,
            help=f"{HELP[part.name]} (default: {'on' if default is True else default})",
            **settings,
        )
