"""How a record is shown: its body in Cliniko's form, links and all."""

from support.sandbox.catalog import RESOURCES
from support.sandbox.schema import BASE, Fields, Resource


class Renderer:
    """Writes the bodies of one kind of record: links and all, with BASE for the base URL."""

    def __init__(self, resource: Resource) -> None:
        self._shown = dict(resource.shown)
        self._adjust = resource.adjust
        self._relations = [
            (resource.related_ids[name], name, BASE + path) for name, path in resource.relations.items() if path
        ]
        self._links = [(name, *(BASE + path).split("{id}")) for name, path in resource.links.items()]
        self._own = (BASE + resource.own_path).split("{id}")

    def body(self, fields: Fields) -> Fields:
        """Return a record's whole body; unset relations are absent."""
        body = self._shown | fields
        record_id = fields["id"]
        for kept_as, name, path in self._relations:
            related = body.pop(kept_as, None)
            if related is not None:
                body[name] = {"links": {"self": path + related}}
        for name, before, after in self._links:
            body[name] = {"links": {"self": before + record_id + after}}
        body["links"] = {"self": self._own[0] + record_id + self._own[1]}
        if self._adjust is not None:
            self._adjust(body, fields)
        return body


RENDERERS = {kind: Renderer(resource) for kind, resource in RESOURCES.items()}
"""The writer of each kind's bodies."""
