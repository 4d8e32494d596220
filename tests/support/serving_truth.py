"""What an answer may show, given what was changed and when: the judge of the stress of serving.

Times are time.monotonic() of one process. A change holds for certain from when its COMMIT had
returned until its undo was sent; it may hold from when it was sent until its undo had returned.
An answer is judged by what held, or may have held, from before its request was sent until it was
there. So a fault is a fault whatever the network did; what cannot be decided is let pass.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIMIT = 10
"""Items of /api/recommendations."""

UNLISTS = frozenset({"unpublish", "postpone", "delete", "start", "hide_tag", "block_organizer"})
"""The changes that take an event out of /api/events as well; fill and register do not."""


@dataclass
class Change:
    """One thing that takes events out of answers, for one student or (None) for everybody."""

    kind: str
    events: frozenset[int]
    student: int | None = None
    sent: float = field(default_factory=time.monotonic)
    since: float = math.inf
    undo_sent: float = math.inf
    undone: float = math.inf

    def held(self, asked: float, answered: float) -> bool:
        return self.since <= asked and answered <= self.undo_sent

    def may_have_held(self, asked: float, answered: float) -> bool:
        return self.sent <= answered and asked <= self.undone


@dataclass(frozen=True)
class Read:
    """One request of a student, and when it was under way."""

    student: int
    asked: float
    answered: float


@dataclass(frozen=True)
class Out:
    """The events that were out all the time of a read, and those that may have been for a while."""

    certainly: frozenset[int]
    possibly: frozenset[int]


class Ledger:
    """The changes that still matter to a read that is under way or may begin."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def forget(self, before: float) -> None:
        """Drop what was undone before the oldest read under way was asked."""
        self.changes = [change for change in self.changes if change.undone >= before]

    def out(self, read: Read, kinds: frozenset[str] | None = None) -> Out:
        mine = [
            change
            for change in self.changes
            if change.student in {None, read.student} and (kinds is None or change.kind in kinds)
        ]
        times = read.asked, read.answered
        return Out(
            _events(change for change in mine if change.held(*times)),
            _events(change for change in mine if change.may_have_held(*times)),
        )


def _events(changes: Iterable[Change]) -> frozenset[int]:
    return frozenset().union(*(change.events for change in changes))


@dataclass(frozen=True)
class Judge:
    """Knows which events each student may see, and every order a model may put them in."""

    visible: Mapping[int, frozenset[int]]
    """By student: the events that are eligible while nothing is changed."""
    orders: Mapping[int, Mapping[str, Sequence[int]]]
    """By student and model: all events that are eligible while nothing is changed, best first."""
    list_length: int
    """Of every list, always."""
    ledger: Ledger

    def recommendations(self, read: Read, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """Say what is wrong with an answer of /api/recommendations."""
        out = self.ledger.out(read)
        visible = self.visible[read.student]
        ids = [item["id"] for item in items]
        faults = [*_duplicates(ids), *self._stale(ids, visible, out)]
        due = min(LIMIT, len(visible - out.possibly))
        if not due <= len(ids) <= LIMIT:
            faults.append(f"{len(ids)} items where at least {due} and at most {LIMIT} were due")
        certain = min(len(ids), self._certainly_ranked(read.student, out))
        if self._follows_no_model(read.student, ids[:certain]):
            faults.append(f"the order {ids[:certain]} is no model's")
        return faults

    def events(self, read: Read, answer: Mapping[str, Any]) -> list[str]:
        """Say what is wrong with an answer of /api/events?sort=recommended."""
        out = self.ledger.out(read, UNLISTS)
        visible = self.visible[read.student]
        items, page, size = answer["items"], answer["page"], answer["page_size"]
        ids = [item["id"] for item in items]
        faults = [*_duplicates(ids), *self._stale(ids, visible, out)]
        if answer["sort"] != "recommended":
            faults.append(f"sorted by {answer['sort']}")
        least, most = len(visible - out.possibly), len(visible - out.certainly)
        if not least <= answer["total"] <= most:
            faults.append(f"a total of {answer['total']} where {least} to {most} were there")
        due = max(0, min(size, answer["total"] - (page - 1) * size))
        if len(ids) != due:
            faults.append(f"{len(ids)} items on page {page} of a total of {answer['total']}")
        if page == 1:
            faults.extend(self._disorder(read, items))
        return faults

    def written_list(self, student: int, version: str, ids: Sequence[int]) -> list[str]:
        """Say what is wrong with a list as user_recommendations has it in one snapshot."""
        order = self.orders[student].get(version)
        if order is None:
            return [f"the list of student {student} is of an unknown model {version}"]
        if len(ids) != self.list_length:
            return [f"the list of student {student} has {len(ids)} items"]
        if _ranked_prefix(ids, order) < len(ids):
            return [f"the list of student {student} is not in the order of its model {version}"]
        return []

    def _stale(self, ids: Sequence[int], visible: frozenset[int], out: Out) -> list[str]:
        wrong = [event for event in ids if event in out.certainly or event not in visible]
        if not wrong:
            return []
        kinds = sorted({c.kind for c in self.ledger.changes if not c.events.isdisjoint(wrong)})
        return [f"stale: {wrong} ({', '.join(kinds) or 'never eligible'})"]

    def _certainly_ranked(self, student: int, out: Out) -> int:
        """How many items at least come from the list: what is left of it when all else is out."""
        hidden = frozenset(self.orders[student]["m1"]) - self.visible[student]
        return max(0, self.list_length - len(out.possibly | hidden))

    def _follows_no_model(self, student: int, ids: Sequence[int]) -> bool:
        return all(_ranked_prefix(ids, o) < len(ids) for o in self.orders[student].values())

    def _disorder(self, read: Read, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """The ranked items come first, in one model's order; the others by time, then id."""
        out = self.ledger.out(read)
        ids = [item["id"] for item in items]
        certain = min(len(ids), self._certainly_ranked(read.student, out))
        for order in self.orders[read.student].values():
            ranked = _ranked_prefix(ids, order)
            rest = [(item["start_time"], item["id"]) for item in items[ranked:]]
            if ranked >= certain and rest == sorted(rest):
                break
        else:
            return [f"the order {ids} is no model's, then by time"]
        if early := out.certainly.intersection(ids[:certain]):
            return [f"{sorted(early)} full or registered, among the ranked"]
        return []


def _duplicates(ids: Sequence[int]) -> list[str]:
    twice = [event for event, count in Counter(ids).items() if count > 1]
    return [f"duplicates: {twice}"] if twice else []


def _ranked_prefix(ids: Sequence[int], order: Sequence[int]) -> int:
    """Count the items from the first on that stand in this order."""
    rank = {event: number for number, event in enumerate(order)}
    last = -1
    for count, event in enumerate(ids):
        if rank.get(event, -1) <= last:
            return count
        last = rank[event]
    return len(ids)
