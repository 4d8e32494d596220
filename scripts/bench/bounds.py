"""What a benchmark's figures have to be, and whether they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Bound:
    """What a figure has to be, or else this exits 1, and what it is meant to be."""

    what: str
    value: float | None
    """None: it could not be measured here."""
    required: float | None = None
    aim: float | None = None
    is_upper: bool = False
    rounds: tuple[float, ...] = ()
    """The figure of each round, where the value is their median."""

    @property
    def is_met(self) -> bool:
        """Whether it is good enough."""
        return self._reaches(self.required)

    @property
    def reaches_aim(self) -> bool:
        """Whether it is as good as it is meant to be."""
        return self._reaches(self.aim)

    def _reaches(self, bound: float | None) -> bool:
        if self.value is None or bound is None:
            return True
        return self.value <= bound if self.is_upper else self.value >= bound

    def __str__(self) -> str:
        value = "not measured here" if self.value is None else f"{self.value:.4g}"
        direction = "at most" if self.is_upper else "at least"
        wanted = [] if self.required is None else [f"must be {direction} {self.required:g}"]
        wanted += [] if self.aim is None else [f"aim {self.aim:g}"]
        rounds = f"; {min(self.rounds):.2f} - {max(self.rounds):.2f}" if self.rounds else ""
        if not wanted and not rounds:
            return f"{self.what}: {value}"
        return f"{self.what}: {value} ({', '.join(wanted) or 'no bound'}{rounds})"

    def facts(self) -> dict[str, Any]:
        """Give what a JSON report says of it."""
        return {
            "what": self.what,
            "value": self.value,
            "required": self.required,
            "aim": self.aim,
            "is_upper": self.is_upper,
            "rounds": [round(value, 4) for value in self.rounds],
            "is_met": self.is_met,
            "reaches_aim": self.reaches_aim,
        }


def print_bounds(out: Console, bounds: list[dict[str, Any]]) -> None:
    """Print each bound of a report, then how many were missed."""
    for bound in bounds:
        style = "red" if not bound["is_met"] else "green" if bound["reaches_aim"] else "yellow"
        out.print(bound["text"], style=style, soft_wrap=True, markup=False)
    missed = sum(not bound["is_met"] for bound in bounds)
    aims = sum(not bound["reaches_aim"] for bound in bounds)
    out.print(
        f"{missed or 'no'} bound{'' if missed == 1 else 's'} missed,"
        f" {aims or 'no'} aim{'' if aims == 1 else 's'} missed",
        style="red" if missed else "green",
    )
