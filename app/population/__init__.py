"""A synthetic population: students with tastes, organizers, events, and what happened so far."""

from app.population.shape import Shape, shape
from app.population.world import Plan
from app.population.writing import generate_population, settle

__all__ = ["Plan", "Shape", "generate_population", "settle", "shape"]
