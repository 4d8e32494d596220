"""A synthetic population: students with tastes, organizers, events, and what happened so far."""

from app.population.plans import kept_plans
from app.population.shape import Shape, shape
from app.population.traffic import Totals, Traffic, simulate_traffic
from app.population.world import Plan
from app.population.writing import generate_population, settle

__all__ = [
    "Plan",
    "Shape",
    "Totals",
    "Traffic",
    "generate_population",
    "kept_plans",
    "settle",
    "shape",
    "simulate_traffic",
]
