"""From Cliniko to the answers, with an ingestor that dies between telling Kafka and noting it."""

from datetime import date

from e2e.test_random_clinics import _differences
from support.clinics import awkward_as_ofs, random_clinic
from support.oracle import Oracle
from support.system import running_system

END = date(2025, 11, 30)


def test_an_ingestor_that_dies_again_and_again_loses_nothing_and_counts_nothing_twice() -> None:
    """The supervisor starts it again, and it dies at its third batch again, until all is told."""
    with running_system(SYNC_INTERVAL="2", REENGAGE_FAILPOINT="ingestor.after_publish:exit:2") as system:
        clinic = random_clinic(903, patients=30, end=END)
        organization = clinic.settings["id"]
        system.add_organization(organization, system.serve_clinic({"cliniko": clinic.cliniko}), clinic.settings)
        system.report(organization, clinic.outreach)
        system.synchronize(organization)
        oracle = Oracle(clinic)
        for as_of in awkward_as_ofs(clinic, 903, 2, end=END):
            assert _differences(system, oracle, organization, as_of) == [], as_of
        starts = sum(log.read_text().count('"ready"') for log in (system.home / "logs").glob("ingestor*.log"))
    assert starts > 2, "it was to die more than once"
