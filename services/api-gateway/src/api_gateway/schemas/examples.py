"""Examples of bodies for the documentation: those of the requirements, with what was added since."""

from typing import Any

Example = dict[str, Any]

_AS_OF = "2025-06-30T08:00:00Z"
_CURSOR = "kX3vT0nQm1Yp8cJd5wZbHgRaUeLs2NfV"

RISK_METRICS: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "risk_summary": {"critical_risk": 12, "high_risk": 8, "medium_risk": 15, "low_risk": 23, "engaged": 45},
    "alerts": {
        "missed_appointments_14d": 7,
        "failed_communications": 3,
        "overdue_followups": 12,
        "no_future_appointments": 18,
    },
    "immediate_actions_required": 15,
    "dormant": 310,
    "last_updated": _AS_OF,
}

PERFORMANCE: Example = {
    "organization_id": "org_xxx",
    "last_updated": _AS_OF,
    "as_of": _AS_OF,
    "timeframe": "last_30_days",
    "reengagement_metrics": {
        "outreach_attempts": 145,
        "successful_contacts": 89,
        "contact_success_rate": 61.4,
        "appointments_scheduled": 67,
        "conversion_rate": 75.3,
        "avg_days_to_reengage": 8.5,
    },
    "communication_channels": {
        "sms": {"sent": 95, "delivered": 87, "responded": 52, "response_rate": 59.8},
        "email": {"sent": 78, "opened": 45, "responded": 23, "response_rate": 51.1},
        "phone": {"attempted": 34, "connected": 28, "appointment_booked": 21, "conversion_rate": 75.0},
    },
    "benchmark_comparison": {
        "industry_avg_contact_rate": 55.0,
        "industry_avg_conversion": 68.0,
        "our_performance": "above_average",
        "source": "Preset figures from the product's requirements, not a measured average: set your own.",
    },
}

_PATIENT: Example = {
    "id": "patient_123",
    "name": "John Smith",
    "phone": "+1234567890",
    "email": "john.smith@email.com",
    "risk_level": "critical",
    "risk_score": 85,
    "days_since_last_contact": 47,
    "last_appointment_date": "2025-05-14",
    "next_scheduled_appointment": None,
    "recommended_action": "immediate_phone_call",
    "action_priority": 1,
    "next_action_date": "2025-06-30",
    "communication_preferences": ["sms", "phone"],
    "best_contact_time": "morning",
    "previous_response_rate": 78.5,
    "total_lifetime_appointments": 12,
    "missed_appointments_last_90d": 2,
    "reengagement_history": [{"date": "2025-06-15", "method": "sms", "success": False, "reason": "no_response"}],
    "health_conditions": ["chronic_pain", "physiotherapy"],
    "referral_source": "gp_referral",
    "last_treatment_outcome": "improved",
}

PRIORITIZED: Example = {
    "organization_id": "org_xxx",
    "last_updated": _AS_OF,
    "as_of": _AS_OF,
    "patients": [_PATIENT],
    "summary": {
        "total_at_risk": 35,
        "immediate_action_required": 12,
        "avg_days_since_contact": 23.4,
        "success_rate_prediction": 67.2,
    },
    "total_count": 35,
    "next_cursor": _CURSOR,
}

PATIENT: Example = {
    **_PATIENT,
    "organization_id": "org_xxx",
    "last_updated": _AS_OF,
    "as_of": _AS_OF,
    "risk_parts": [
        {"name": "days_without_contact", "points": 50, "because": "45 days or more: last contact on 2025-05-14"},
        {"name": "missed_appointments", "points": 10, "because": "2 missed since 2025-02-13"},
        {"name": "overdue_followup", "points": 10, "because": "follow-up was due on 2025-06-11"},
        {"name": "last_outreach_failed", "points": 5, "because": "no success with the sms message of 2025-06-15"},
        {"name": "no_future_booking", "points": 10, "because": "nothing is booked"},
    ],
    "timeline": [
        {
            "at": "2025-06-15T09:30:00Z",
            "kind": "message",
            "channel": "sms",
            "message_id": "m-17",
            "outcomes": [{"outcome": "sent", "at": "2025-06-15T09:30:00Z", "reason": None}],
        },
        {
            "at": "2025-05-14T01:00:00Z",
            "kind": "appointment",
            "id": "a000046",
            "status": "arrived",
            "type": "Follow-up",
        },
    ],
}

TRENDS: Example = {
    "organization_id": "org_xxx",
    "last_updated": _AS_OF,
    "as_of": _AS_OF,
    "period": "30d",
    "daily_trends": [
        {
            "date": "2025-06-01",
            "new_at_risk": 3,
            "reengaged_successfully": 7,
            "outreach_attempts": 15,
            "appointments_scheduled": 5,
            "risk_levels": {"critical": 13, "high": 8, "medium": 14, "low": 22, "engaged": 46},
        }
    ],
    "channel_performance_trends": {
        "sms": {"success_rate_trend": "improving", "change_pct": 12.3},
        "email": {"success_rate_trend": "stable", "change_pct": -2.1},
        "phone": {"success_rate_trend": "declining", "change_pct": -8.7},
    },
    "risk_distribution_changes": {
        "critical_trend": "decreasing",
        "high_trend": "stable",
        "overall_improvement": True,
    },
}

DEBUG_CONTACTS: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "total_contacts": 413,
    "cliniko_linked_contacts": 413,
    "sample_contacts": [
        {
            "id": "patient_123",
            "name": "John Smith",
            "email": "john.smith@email.com",
            "cliniko_patient_id": "patient_123",
            "created_at": "2025-06-28T23:10:00Z",
        }
    ],
    "debug_info": {
        "has_contacts": True,
        "has_cliniko_links": True,
        "contact_structure": ["id", "name", "email", "cliniko_patient_id", "created_at"],
    },
}

SYNC_STATUS: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "last_sync_time": "2025-06-30T07:58:30Z",
    "total_contacts": 413,
    "active_patients": 36,
    "upcoming_appointments": 18,
    "message": "36 active patients.",
    "state": "ok",
    "lag_seconds": 90,
    "last_error": None,
}

_RECENT = [{"date": "2025-06-20T01:00:00Z", "type": "Follow-up", "id": "a000046"}]

ACTIVE_PATIENTS: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "active_patients": [
        {
            "id": "patient_123",
            "contact_id": "patient_123",
            "contact_name": "John Smith",
            "contact_phone": "+1234567890",
            "contact_email": "john.smith@email.com",
            "recent_appointment_count": 1,
            "upcoming_appointment_count": 1,
            "total_appointment_count": 12,
            "last_appointment_date": "2025-06-20",
            "recent_appointments": _RECENT,
            "upcoming_appointments": [{"date": "2025-07-04T01:00:00Z", "type": "Follow-up", "id": "a000051"}],
            "created_at": "2024-02-01T03:00:00Z",
            "updated_at": "2025-06-20T02:00:00Z",
        }
    ],
    "total_count": 36,
    "timestamp": _AS_OF,
    "next_cursor": None,
}

ACTIVE_SUMMARY: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "total_active_patients": 36,
    "patients_with_recent_appointments": 30,
    "patients_with_upcoming_appointments": 18,
    "last_sync_date": "2025-06-30T07:58:30Z",
    "avg_recent_appointments": 1.6,
    "avg_total_appointments": 7.3,
    "activity_distribution": {"none": 6, "one": 17, "two_or_three": 10, "four_or_more": 3},
    "timestamp": _AS_OF,
}

CONTACTS_WITH_APPOINTMENTS: Example = {
    "organization_id": "org_xxx",
    "as_of": _AS_OF,
    "contacts_with_appointments": [
        {
            "contact_id": "patient_123",
            "name": "John Smith",
            "phone": "+1234567890",
            "email": "john.smith@email.com",
            "cliniko_patient_id": "patient_123",
            "recent_appointment_count": 1,
            "upcoming_appointment_count": 1,
            "last_appointment_date": "2025-06-20",
            "recent_appointments": _RECENT,
            "next_appointment": {
                "time": "2025-07-04T01:00:00Z",
                "type": "Follow-up",
                "practitioner": "Dr Jane Doe",
                "days_until": 4,
            },
            "appointment_frequency": {"attended_days": 12, "average_days_between": 41.5},
        }
    ],
    "total_count": 380,
    "timestamp": _AS_OF,
    "next_cursor": None,
}

OUTREACH_EVENT: Example = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "/crm",
    "type": "outreach.outcome.v1",
    "time": "2026-11-20T09:30:00Z",
    "subject": "1508812345678901201",
    "datacontenttype": "application/json",
    "data": {
        "organization_id": "org_xxx",
        "patient_id": "1508812345678901201",
        "channel": "sms",
        "outcome": "delivered",
        "message_id": "m-17",
        "attempt_id": "a-9",
        "campaign": "winter",
        "reason": None,
        "staff": None,
    },
}

TREATMENT_EVENT: Example = {
    "specversion": "1.0",
    "id": "evt-2",
    "source": "/practice",
    "type": "treatment.outcome.v1",
    "time": "2026-11-20T09:45:00Z",
    "data": {"organization_id": "org_xxx", "patient_id": "1508812345678901201", "outcome": "improved"},
}

RECEIPT: Example = {
    "accepted": 1,
    "rejected": [{"index": 1, "id": "evt-7", "detail": "/data/channel: must be 'sms', 'email' or 'phone'"}],
}

REJECTED: Example = {
    "accepted": 0,
    "rejected": [{"index": 0, "id": "evt-7", "detail": "/data/channel: must be 'sms', 'email' or 'phone'"}],
}
