"""Bodies of the Cliniko data endpoints."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api_gateway.schemas.reengagement import Count


class SampleContact(BaseModel):
    """One of the newest patients."""

    id: str
    name: str
    email: str | None
    cliniko_patient_id: str
    created_at: datetime


class DebugFindings(BaseModel):
    """What is there at all."""

    has_contacts: bool
    has_cliniko_links: bool
    contact_structure: list[str] = Field(description="The names of a contact's fields.")


class DebugContacts(BaseModel):
    """Whether the organization has data."""

    organization_id: str
    as_of: datetime
    total_contacts: Count
    cliniko_linked_contacts: Count
    sample_contacts: list[SampleContact] = Field(max_length=5, description="The five newest.")
    debug_info: DebugFindings


class SyncStatus(BaseModel):
    """How fresh the data is, and how the synchronization fares."""

    organization_id: str
    as_of: datetime
    last_sync_time: datetime | None
    total_contacts: Count
    active_patients: Count
    upcoming_appointments: Count = Field(description="Active patients with an upcoming appointment.")
    message: str
    state: Literal["never", "syncing", "ok", "failing", "stopped"]
    lag_seconds: Count | None = Field(description="Since last_sync_time; null when there was none.")
    last_error: str | None


class AppointmentGlimpse(BaseModel):
    """One appointment; `date` is the instant of its start."""

    date: datetime
    type: str | None
    id: str


class ActivePatient(BaseModel):
    """A patient with an appointment in the last 45 days or the next 30."""

    id: str
    contact_id: str
    contact_name: str
    contact_phone: str | None
    contact_email: str | None
    recent_appointment_count: Count
    upcoming_appointment_count: Count
    total_appointment_count: Count
    last_appointment_date: date | None
    recent_appointments: list[AppointmentGlimpse] = Field(description="Newest first.")
    upcoming_appointments: list[AppointmentGlimpse] = Field(description="Soonest first.")
    created_at: datetime
    updated_at: datetime


class ActivePatients(BaseModel):
    """One page of the active patients."""

    organization_id: str
    as_of: datetime
    active_patients: list[ActivePatient]
    total_count: Count = Field(description="Of the whole list.")
    timestamp: datetime
    next_cursor: str | None = Field(description="Null on the last page.")


class ActivePatientsSummary(BaseModel):
    """The active patients in a few numbers."""

    organization_id: str
    as_of: datetime
    total_active_patients: Count
    patients_with_recent_appointments: Count
    patients_with_upcoming_appointments: Count
    last_sync_date: datetime | None
    avg_recent_appointments: float | None
    avg_total_appointments: float | None
    activity_distribution: dict[str, Count] = Field(description="Active patients by how often they come.")
    timestamp: datetime


class AppointmentFrequency(BaseModel):
    """How often the patient comes."""

    attended_days: Count
    average_days_between: float | None = Field(description="Null with fewer than two days.")


class NextAppointment(BaseModel):
    """The next appointment that was booked."""

    time: datetime
    type: str | None
    practitioner: str | None
    days_until: Count


class ContactWithAppointments(BaseModel):
    """A patient with any appointment that was not cancelled."""

    contact_id: str
    name: str
    phone: str | None
    email: str | None
    cliniko_patient_id: str
    recent_appointment_count: Count
    upcoming_appointment_count: Count
    last_appointment_date: date | None
    recent_appointments: list[AppointmentGlimpse] = Field(description="Newest first.")
    next_appointment: NextAppointment | None
    appointment_frequency: AppointmentFrequency


class ContactsWithAppointments(BaseModel):
    """One page of the patients with appointments."""

    organization_id: str
    as_of: datetime
    contacts_with_appointments: list[ContactWithAppointments]
    total_count: Count = Field(description="Of the whole list.")
    timestamp: datetime
    next_cursor: str | None = Field(description="Null on the last page.")
