"""The answer of a recommender: items best first, each with what it is recommended for."""

import csv
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lamina.answers import Answer


@dataclass(frozen=True, slots=True)
class Recommended:
    """One item. score: the higher, the sooner it is recommended; scores of a user are comparable.

    rating: that the user is expected to give; None where there are no ratings.
    because: items of the history without which the score would fall most, the strongest first.
    """

    item: str
    title: str
    genres: str
    score: float
    rating: float | None = None
    because: tuple[str, ...] = ()

    def reason(self) -> str:
        """What it is recommended for, as people say it."""
        return f"because of {', '.join(self.because)}" if self.because else ""


@dataclass(frozen=True, slots=True)
class Recommendations(Answer):
    """What a user is likely to take next, of all that they did not take yet.

    note: what should be known of it, as that the user is new. history: what was known of them, in
    titles, the latest last. taken: what they took indeed, None where that is not known.
    """

    user: str
    items: list[Recommended]
    note: str = ""
    history: tuple[str, ...] = field(default=(), repr=False)
    taken: tuple[str, ...] | None = field(default=None, repr=False)
    kind: ClassVar[str] = "recommendations"

    def line(self) -> str:
        name = self.user or "a new user"
        rows = [f"{name}" + (f"  ({self.note})" if self.note else "")]
        for place, one in enumerate(self.items, 1):
            rating = "" if one.rating is None else f"  (rating {one.rating:.1f})"
            reason = f"  {one.reason()}" if one.because else ""
            rows.append(f"  {place:>2} {one.title}{rating}{reason}")
        return "\n".join(rows)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "user": self.user, "note": self.note, "items": [
            {"item": one.item, "title": one.title, "genres": one.genres, "score": one.score,
             "rating": one.rating, "because": list(one.because)} for one in self.items]}

    def html(self) -> str:
        known = f"<small>{html.escape(self.note)}</small>" if self.note else ""
        if self.history:
            latest = "; ".join(self.history[::-1])
            known += f"<p><small>latest first: {html.escape(latest)}</small></p>"
        rows = []
        for one in self.items:
            hit = self.taken is not None and one.item in self.taken
            rating = "" if one.rating is None else f" <small>rating {one.rating:.1f}</small>"
            mark = " <small>✓ taken</small>" if hit else ""
            rows.append(f"<li><b>{html.escape(one.title)}</b>{rating}{mark}<br>"
                        f"<small>{html.escape(one.reason() or one.genres)}</small></li>")
        return f"{known}<ol>{''.join(rows)}</ol>"

    def save(self, path: Path) -> None:
        """Write .csv, one row an item, .html, or .json."""
        if path.suffix == ".csv":
            with path.open("w", newline="") as file:
                out = csv.writer(file)
                out.writerow(["user", "item", "title", "score", "rating", "because"])
                out.writerows([self.user, one.item, one.title, one.score, one.rating,
                               "; ".join(one.because)] for one in self.items)
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            path.write_text(page(f"recommended to {self.user or 'a new user'}", self.html()))
        else:
            Answer.save(self, path)
