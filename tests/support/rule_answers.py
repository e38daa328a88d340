"""The rules' answers about a clinic, without any server: sums of contributions, and assessments."""

from collections import Counter
from typing import Any

from rules import answers
from rules.assess import Assessment, assess, list_row
from rules.calendar import day_of_text
from rules.contribution import Contribution, contribution
from rules.facts import Facts
from rules.figures import apart, class_parts
from rules.instants import format_instant, parse_instant
from rules.performance import performance
from rules.settings import RuleSettings
from rules.trends import channel_trends, daily_trends, risk_distribution

PERIODS = {"7d": 7, "30d": 30, "90d": 90}


class RuleAnswers:
    """Bodies as the gateway gives them, time stamps aside."""

    def __init__(self, organization_id: str, facts: dict[str, Facts], settings: RuleSettings) -> None:
        self._id = organization_id
        self._facts = facts
        self._settings = settings
        self._calendar = settings.calendar
        self._contributions: list[Contribution] = [contribution(f, settings) for f in facts.values()]

    def instant(self, as_of: str) -> int:
        """Of an instant or a plain date: the last microsecond of that local day."""
        return parse_instant(as_of) if "T" in as_of else self._calendar.end(day_of_text(as_of))

    def state(self, instant: int) -> Counter[str]:
        """The sum of all state changes up to an instant."""
        figures: Counter[str] = Counter()
        for added in self._contributions:
            for at, changes in added.state.items():
                if at <= instant:
                    figures.update(apart(changes))
        return figures

    def days(self, instant: int) -> Counter[tuple[int, str]]:
        """The sum of all day changes known by an instant."""
        figures: Counter[tuple[int, str]] = Counter()
        for added in self._contributions:
            for (at, day), changes in added.days.items():
                if at <= instant:
                    figures.update({(day, name): change for name, change in changes.items()})
        return figures

    def risk_metrics(self, as_of: str, *, include_dormant: bool = False) -> dict[str, Any]:
        at = self.instant(as_of)
        body = answers.risk_metrics(self._id, self.state(at), include_dormant=include_dormant)
        return body | {"as_of": format_instant(at)}

    def performance(self, as_of: str, days: int) -> dict[str, Any]:
        at = self.instant(as_of)
        last = self._calendar.day(at)
        return performance(
            self.days(at), self._settings, first=last - days + 1, last=last, timeframe=f"last_{days}_days"
        )

    def trends(self, as_of: str, period: str) -> dict[str, Any]:
        at = self.instant(as_of)
        last = self._calendar.day(at)
        first = last - PERIODS[period] + 1
        states = {day: self.state(self._calendar.end(day)) for day in range(first, last)} | {last: self.state(at)}
        levels = {day: answers.risk_levels(state) for day, state in states.items()}
        days = self.days(at)
        return {
            "period": period,
            "daily_trends": daily_trends(days, levels, first=first, last=last, counts=True),
            "channel_performance_trends": channel_trends(days, first=first, last=last),
            "risk_distribution_changes": risk_distribution(levels[first], levels[last]),
        }

    def assessments(self, as_of: str) -> dict[str, Assessment]:
        """Of all patients in scope, by id."""
        at = self.instant(as_of)
        assessed = {patient: assess(facts, self._settings, at) for patient, facts in self._facts.items()}
        return {patient: found for patient, found in assessed.items() if found is not None}

    def prioritized(
        self, as_of: str, *, action_required: str | None = None, include_dormant: bool = False
    ) -> dict[str, Any]:
        """The whole list, in order of the patients' ids."""
        at = self.instant(as_of)
        today = self._calendar.day(at)
        flag = answers.ACTIONS[action_required] if action_required else 0
        rows = []
        for _, assessed in sorted(self.assessments(as_of).items()):
            dormant, _, flags = class_parts(assessed.patient_class)
            if (include_dormant or not dormant) and (not flag or flags & flag):
                rows.append(list_row(assessed, today))
        summary = answers.list_summary(
            self.state(at), self.days(at), self._settings, today=today, include_dormant=include_dormant
        )
        return {"patients": rows, "summary": summary, "total_count": len(rows)}

    def active_summary(self, as_of: str) -> dict[str, Any]:
        return answers.active_summary(self._id, self.state(self.instant(as_of)))

    def total_contacts(self, as_of: str) -> int:
        return answers.total_contacts(self.state(self.instant(as_of)))
