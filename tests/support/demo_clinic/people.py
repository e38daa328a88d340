"""Who the patients are: plainly invented, with contact data that can reach nobody."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

# Reserved by Australia's regulator for fiction: mobiles one by one, fixed lines by range.
_MOBILES = (
    "0491 570 006", "0491 570 156", "0491 570 157", "0491 570 158", "0491 570 159",
    "0491 570 110", "0491 570 313", "0491 570 737", "0491 571 266", "0491 571 491",
    "0491 571 804", "0491 572 549", "0491 572 665", "0491 572 983", "0491 573 770",
    "0491 573 087", "0491 574 118", "0491 574 632", "0491 575 254", "0491 575 789",
    "0491 576 398", "0491 576 801", "0491 577 426", "0491 577 644", "0491 578 957",
    "0491 578 148", "0491 578 888", "0491 579 212", "0491 579 760", "0491 579 455",
)  # fmt: skip
_FIRST = (
    "Ada", "Alba", "Anouk", "Archie", "Asha", "Beau", "Bodhi", "Bronte", "Caleb", "Carmen",
    "Celia", "Dara", "Declan", "Edie", "Elio", "Esme", "Ewan", "Farah", "Felix", "Flora",
    "Gwen", "Hamish", "Hana", "Hugo", "Imani", "Indy", "Iris", "Ivo", "Jarrah", "Joni",
    "Kai", "Kira", "Lachlan", "Lena", "Linh", "Luca", "Mabel", "Malia", "Matilda", "Milo",
    "Nadia", "Niamh", "Noor", "Oscar", "Otis", "Pia", "Poppy", "Priya", "Quentin", "Rafi",
    "Rosa", "Rowan", "Saskia", "Sefa", "Stella", "Talia", "Tariq", "Theo", "Una", "Vikram",
    "Wren", "Xanthe", "Yara", "Zoe",
)  # fmt: skip
_LAST = (
    "Anyname", "Bluegum", "Brushtail", "Cockatoo", "Coolibah", "Dummyson", "Echidna",
    "Everyman", "Examplar", "Fairywren", "Fictiona", "Figment", "Galahson", "Gumleaf",
    "Inventine", "Ironbark", "Jacaranda", "Kookaburra", "Lorikeet", "Madeupson", "Magpie",
    "Mockingham", "Mulga", "Numbat", "Nobodino", "Paperbark", "Pelican", "Placeholden",
    "Possumby", "Pretendo", "Quokka", "Quoll", "Rosella", "Sampleton", "Sandgroper",
    "Spoonbill", "Standin", "Storyby", "Testerly", "Thornbill", "Wallaby", "Waratah",
    "Whatsit", "Wombatson",
)  # fmt: skip
_STREETS = ("Sample Street", "Invented Lane", "Fiction Road", "Pretend Parade", "Example Court")
_SUBURBS = (("Nowhereville", "3999"), ("Sampleton East", "3998"), ("Mock Hill", "3997"))


@dataclass
class Person:
    """A patient as the story knows them: how they live, beside what is on file."""

    id: str
    first_name: str
    created_at: datetime
    practitioner: str
    habit: str
    prefers: str
    channels: set[str]
    case_id: str | None = None
    visits_left: int = 0
    gap_days: int = 7
    last_contact: datetime | None = None
    upcoming: set[str] = field(default_factory=set)
    attempts_since_contact: int = 0
    last_tried: datetime | None = None
    away: bool = False
    """Archived or merged: nothing happens any more."""

    def days_without_contact(self, now: datetime) -> int:
        """Return full days since the last contact, or since the record was made."""
        return (now - (self.last_contact or self.created_at)).days

    def heard_from(self, at: datetime) -> None:
        """A contact: the count of attempts starts afresh."""
        if self.last_contact is None or at > self.last_contact:
            self.last_contact = at
        self.attempts_since_contact = 0


def fields_of_somebody(rng: Random, number: int, today: date) -> dict[str, Any]:
    """Return the fields of an invented patient, the `number`th of the clinic."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    suburb, post_code = rng.choice(_SUBURBS)
    born = today - timedelta(days=round(rng.triangular(8, 88, 46) * 365.25))
    phones = []
    if rng.random() < 0.94:
        phones.append(_phone(_MOBILES[number % len(_MOBILES)], "Mobile"))
    if not phones or rng.random() < 0.25:
        phones.append(_phone(f"03 {'5550' if number % 2 else '7010'} {number:04}", "Home"))
    email = f"{first}.{last}{number}@example.com".lower() if rng.random() < 0.9 else ""
    return {
        "title": rng.choice(("Ms", "Mr", "Mx", "Mrs", "", None)),
        "first_name": first,
        "last_name": last,
        "label": f"{first} {last}",
        "date_of_birth": born.isoformat() if rng.random() < 0.96 else None,
        "email": email,
        "patient_phone_numbers": phones,
        "address_1": f"{rng.randint(1, 180)} {rng.choice(_STREETS)}",
        "city": suburb,
        "state": "VIC",
        "post_code": post_code,
        "reminder_type": _weighted(rng, {"SMS & Email": 50, "SMS": 34, "Email": 12, "None": 4}),
        "accepted_privacy_policy": rng.choice((True, True, True, None)),
        "accepted_sms_marketing": _weighted(rng, {True: 70, None: 24, False: 6}),
        "accepted_email_marketing": _weighted(rng, {True: 58, None: 30, False: 12}),
    }


def channels_of(fields: dict[str, Any]) -> set[str]:
    """Return the ways that a practice would use to reach a patient."""
    found = {"phone"} if fields["patient_phone_numbers"] else set()
    mobile = any(each["phone_type"] == "Mobile" for each in fields["patient_phone_numbers"])
    if mobile and fields["accepted_sms_marketing"] is not False:
        found.add("sms")
    if fields["email"] and fields["accepted_email_marketing"] is not False:
        found.add("email")
    return found


def _phone(number: str, kind: str) -> dict[str, str]:
    digits = number.replace(" ", "")
    return {"number": number, "normalized_number": f"61{digits[1:]}", "phone_type": kind}


def _weighted(rng: Random, weights: dict[Any, int]) -> Any:
    return rng.choices(list(weights), weights=list(weights.values()))[0]
