"""Shapes of erasures and legal holds."""

from __future__ import annotations

from web.schemas.fields import Shape, listed, text, time, uuid


class Erasure(Shape):
    request = text("DSR-2026/14", "What asked for it, such as a ticket's number; it stays, so nothing personal.", optional=True, longest=64)


class NewHold(Shape):
    member_id = uuid("Whose data; left out: everybody's of the account.", optional=True)
    matter = text("Case 17/2026", "Which matter it is for; sealed, as names are.", shortest=1, longest=200)


class Hold(Shape):
    """A legal hold that stands: what it covers is neither erased nor expires."""

    hold_id = text("hold_0a9c1c5e6a53", "Its id.")
    member_id = uuid("Whose data; null for everybody's of the account.", maybe=True)
    matter = text("Case 17/2026", "What it is for; null once whoever it is about was erased.", maybe=True)
    placed_by = uuid("The admin; null where it was placed on the command line.", maybe=True)
    placed_at = time("When.", maybe=False)


class Holds(Shape):
    data = listed(Hold, "The holds that stand, the oldest first.")
