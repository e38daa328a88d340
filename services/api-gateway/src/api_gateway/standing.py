"""Which results of an organization answer, and by which settings: so, what a day is."""

from dataclasses import dataclass

from rules.calendar import Calendar
from rules.settings import RuleSettings, rule_settings
from shared.organizations import Organization
from shared.rollups import Ladder, scope


@dataclass(frozen=True)
class Standing:
    """The results of an organization that are served, with the settings they were made with."""

    organization_id: str
    generation: int
    settings: RuleSettings
    benchmark_source: str
    applied_at: int | None

    @property
    def calendar(self) -> Calendar:
        """The organization's local days."""
        return self.settings.calendar

    @property
    def scope(self) -> str:
        """What the `_id`s of its documents begin with."""
        return scope(self.organization_id, self.generation)

    @property
    def ladder(self) -> Ladder:
        """Where its sums are."""
        return Ladder(self.organization_id, self.generation, self.calendar)


def standing_before_facts(organization: Organization) -> Standing:
    """Of an organization without results: nothing, under the newest settings."""
    settings = organization.settings.read_by_rules()
    return Standing(organization.id, 0, rule_settings(settings), settings["benchmark_source"], None)
