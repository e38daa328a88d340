"""Plainly invented people and places for clinics whose records name nobody."""

import zlib

from support.sandbox.clinic import Clinic
from support.sandbox.schema import Fields

_FIRST = (
    "Ana", "Antônio", "Beatriz", "Caíque", "Conceição", "Débora", "Eliézer", "Fátima", "Gabriel",
    "Helena", "Inês", "João", "Júlia", "Lívia", "Luís", "Márcia", "Nádia", "Otávio", "Paula",
    "Raimundo", "Sílvia", "Tomé", "Vera", "Zélia",
)  # fmt: skip
_LAST = (
    "Amostra", "Exemplo", "Ensaio", "Fictício", "Hipótese", "Inventado", "Modelo", "Padrão",
    "Prova", "Teste", "Rascunho", "Suposto",
)  # fmt: skip
BUSINESS, PRACTITIONER, APPOINTMENT_TYPE = (f"18099123456787000{number:02}" for number in (1, 2, 3))
BOOKING = {
    "business_id": BUSINESS,
    "practitioner_id": PRACTITIONER,
    "appointment_type_id": APPOINTMENT_TYPE,
}
"""What every appointment of such a clinic names."""


def person(patient_id: str) -> Fields:
    """Return an invented name for a patient: always the same for the same id."""
    number = zlib.crc32(patient_id.encode())
    first = _FIRST[number % len(_FIRST)]
    last = _LAST[number // len(_FIRST) % len(_LAST)]
    return {"first_name": first, "last_name": last, "label": f"{first} {last}"}


def load_practice(clinic: Clinic, *, name: str, zone: str, label: str, since: str) -> None:
    """Give a clinic one business, one practitioner and one type of appointment."""
    stamps = {"created_at": since, "updated_at": since}
    clinic.load(
        "businesses",
        [
            {
                "id": BUSINESS,
                **stamps,
                "business_name": name,
                "label": name,
                "time_zone": label,
                "time_zone_identifier": zone,
            }
        ],
    )
    clinic.load(
        "practitioners",
        [
            {
                "id": PRACTITIONER,
                **stamps,
                "first_name": "Quinn",
                "last_name": "Placeholder",
                "display_name": "Quinn Placeholder",
                "label": "Quinn Placeholder",
            }
        ],
    )
    clinic.load("appointment_types", [{"id": APPOINTMENT_TYPE, **stamps, "name": "Consultation"}])
