"""The admin side: how tests and demos change a clinic while it is being served."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from support.sandbox.bodies import fields_of
from support.sandbox.catalog import RESOURCES
from support.sandbox.clinic import Clinic
from support.sandbox.clock import instant_of, stamp
from support.sandbox.faults import Fault
from support.sandbox.loaders import load_bodies, load_clinic
from support.sandbox.refusals import Refused, bad_request, not_found
from support.sandbox.rendering import RENDERERS
from support.sandbox.replies import reply
from support.sandbox.request_log import as_json
from support.sandbox.state import Sandbox, without_shard

Action = Callable[[Request, Any], Awaitable[Any]]


def admin_routes(sandbox: Sandbox) -> list[Route]:
    """Return the routes under /admin; they ask for no credentials."""

    def clinic_of(request: Request) -> Clinic:
        clinic = sandbox.clinic_of(request.path_params["key"])
        if clinic is None:
            raise not_found()
        return clinic

    def kind_of(request: Request) -> str:
        kind: str = request.path_params["kind"]
        if kind not in RESOURCES:
            raise not_found()
        return kind

    async def list_clinics(request: Request, body: Any) -> Any:
        return {
            "clinics": [
                {
                    "key": key,
                    "clinic": clinic.name,
                    "options": vars(clinic.options),
                    "records": {kind: len(each) for kind, each in clinic.records.items()},
                    "tombstones": len(clinic.tombstones),
                }
                for key, clinic in sandbox.clinics.items()
            ]
        }

    async def put_clinic(request: Request, body: Any) -> Any:
        if "cliniko" in body:
            clinic = Clinic(body.get("clinic", "given"), clock=sandbox.clock)
            load_bodies(clinic, body["cliniko"])
        else:
            data = body.get("data")
            clinic = await run_in_threadpool(
                load_clinic,
                body.get("clinic", ""),
                clock=sandbox.clock,
                path=None if data is None else Path(data),
                shift_to_today=bool(body.get("shift_to_today", False)),
                today=date.fromisoformat(body["today"]) if "today" in body else None,
                seed=int(body.get("seed", 1)),
            )
        clinic.options.change(body.get("options", {}))
        sandbox.serve(request.path_params["key"], clinic)
        return {"clinic": clinic.name}

    async def patch_clinic(request: Request, body: Any) -> Any:
        options = clinic_of(request).options
        options.change(body.get("options", {}))
        return {"options": vars(options)}

    async def delete_clinic(request: Request, body: Any) -> None:
        clinic_of(request)
        del sandbox.clinics[without_shard(request.path_params["key"])]

    async def list_records(request: Request, body: Any) -> Any:
        kind, clinic = kind_of(request), clinic_of(request)
        records = clinic.records[kind]
        return {kind: [RENDERERS[kind].body(records[each]) for each in records]}

    async def create(request: Request, body: Any) -> Any:
        kind, clinic = kind_of(request), clinic_of(request)
        record_id = clinic.create(kind, fields_of(RESOURCES[kind], body))
        return clinic.body(kind, record_id)

    async def show(request: Request, body: Any) -> Any:
        return clinic_of(request).body(kind_of(request), request.path_params["id"])

    async def update(request: Request, body: Any) -> Any:
        kind, clinic = kind_of(request), clinic_of(request)
        changes = fields_of(RESOURCES[kind], body, whole=False)
        clinic.update(kind, request.path_params["id"], changes)
        return clinic.body(kind, request.path_params["id"])

    async def delete(request: Request, body: Any) -> None:
        clinic_of(request).delete(kind_of(request), request.path_params["id"], at=_at(body))

    async def act(request: Request, body: Any) -> Any:
        kind, clinic = kind_of(request), clinic_of(request)
        record_id, at = request.path_params["id"], _at(body)
        match request.path_params["action"]:
            case "cancel":
                reason, note = int(body.get("reason", 50)), body.get("note")
                clinic.cancel(kind, record_id, reason=reason, note=note, at=at)
            case "archive":
                clinic.archive(kind, record_id, at=at)
            case "unarchive":
                clinic.update(kind, record_id, {"archived_at": None}, at=at)
            case ("missed" | "arrived" | "unmark") as mark:
                marks = {"missed": False, "arrived": True, "unmark": None}
                clinic.mark(kind, record_id, marks[mark], at=at)
            case _:
                raise not_found()
        return clinic.body(kind, record_id)

    async def merge(request: Request, body: Any) -> Any:
        clinic, loser = clinic_of(request), request.path_params["id"]
        move_records = bool(body.get("move_records", False))
        clinic.merge(loser, str(body.get("into")), at=_at(body), move_records=move_records)
        return clinic.body("patients", loser)

    async def receive_reply(request: Request, body: Any) -> Any:
        clinic = clinic_of(request)
        record_id = reply(
            clinic,
            str(body.get("patient_id")),
            kind=body.get("type", "SMS"),
            content=body.get("content", "Yes please"),
            at=_at(body),
        )
        return clinic.body("communications", record_id)

    async def put_faults(request: Request, body: Any) -> Any:
        clinic_of(request)
        key = without_shard(request.path_params["key"])
        sandbox.faults[key].rules = [Fault.read(rule) for rule in body.get("rules", [])]
        return await get_faults(request, body)

    async def get_faults(request: Request, body: Any) -> Any:
        key = without_shard(request.path_params["key"])
        return {"rules": [rule.as_json() for rule in sandbox.faults[key].rules]}

    async def get_requests(request: Request, body: Any) -> Any:
        asked = request.query_params
        key = asked.get("key")
        entries = sandbox.log.entries(
            key=None if key is None else without_shard(key),
            path=asked.get("path", ""),
            since=float(asked.get("since", 0)),
        )
        limit = int(asked.get("limit", 1000))
        return {"total": len(entries), "requests": as_json(entries[-limit:])}

    async def get_summary(request: Request, body: Any) -> Any:
        return {"keys": sandbox.log.summary()}

    async def delete_requests(request: Request, body: Any) -> None:
        sandbox.log.clear()

    async def delete_limits(request: Request, body: Any) -> None:
        sandbox.limit.forget(without_shard(request.path_params["key"]))

    clinic_path = "/admin/clinics/{key}"
    record_path = f"{clinic_path}/records/{{kind}}/{{id}}"
    return [
        _route("GET", "/admin/clinics", list_clinics),
        _route("PUT", clinic_path, put_clinic),
        _route("PATCH", clinic_path, patch_clinic),
        _route("DELETE", clinic_path, delete_clinic),
        _route("GET", f"{clinic_path}/records/{{kind}}", list_records),
        _route("POST", f"{clinic_path}/records/{{kind}}", create),
        _route("GET", record_path, show),
        _route("PATCH", record_path, update),
        _route("DELETE", record_path, delete),
        _route("POST", f"{record_path}/{{action}}", act),
        _route("POST", f"{clinic_path}/patients/{{id}}/merge", merge),
        _route("POST", f"{clinic_path}/reply", receive_reply),
        _route("GET", f"{clinic_path}/faults", get_faults),
        _route("PUT", f"{clinic_path}/faults", put_faults),
        _route("DELETE", f"{clinic_path}/limits", delete_limits),
        _route("GET", "/admin/requests", get_requests),
        _route("GET", "/admin/requests/summary", get_summary),
        _route("DELETE", "/admin/requests", delete_requests),
    ]


def _at(body: Any) -> str | None:
    at = body.get("at")
    return None if at is None else stamp(instant_of(at))


def _route(method: str, path: str, action: Action) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            raw = await request.body()
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise bad_request("The body must be a JSON object")
            answer = await action(request, body)
        except Refused as refused:
            return Response(orjson.dumps(refused.body), refused.status, media_type="application/json")
        except (ValueError, KeyError, TypeError) as error:
            return Response(orjson.dumps({"message": str(error)}), 400, media_type="application/json")
        if answer is None:
            return Response(status_code=204)
        status = 201 if method == "POST" and path.endswith("{kind}") else 200
        return Response(orjson.dumps(answer), status, media_type="application/json")

    return Route(path, endpoint, methods=[method])
