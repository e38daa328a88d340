// Renders the OpenAPI document as a page on which every route can be tried. No library, no CDN.
"use strict";

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
};

const valueOf = (id) => document.getElementById(id).value.trim();

const resolve = (api, schema) => {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((node, name) => node[name], api);
};

const describe = (api, given) => {
  const schema = resolve(api, given);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const) return String(schema.const);
  if (schema.type === "array") return `any of: ${describe(api, schema.items)}`;
  const several = schema.anyOf || schema.oneOf;
  if (several && !schema.type) return several.map((one) => describe(api, one)).join(" or ");
  if (several) return several.map((one) => one.format).join(" or ");
  const bounds = "minimum" in schema ? ` ${schema.minimum}-${schema.maximum}` : "";
  return (schema.format || schema.type || "anything") + bounds;
};

const examplesOf = (content) =>
  Object.entries(content || {}).flatMap(([mediaType, { examples }]) =>
    Object.values(examples || {}).map(({ summary, value }) => ({ mediaType, summary, value })));

const pretty = (value) => JSON.stringify(value, null, 2);

const parameterRow = (api, parameter, inputs) => {
  const input = make("input", { size: 28, ariaLabel: parameter.name });
  if (parameter.schema.default !== undefined) input.placeholder = String(parameter.schema.default);
  if (parameter.name !== "org_id") inputs.push({ parameter, input });
  return make("tr", {},
    make("td", {}, make("code", { textContent: parameter.name }), parameter.required ? " *" : ""),
    make("td", {}, parameter.name === "org_id" ? "from the top of the page" : input),
    make("td", {}, make("small", { textContent: `${describe(api, parameter.schema)}. ${parameter.description || ""}` })));
};

const urlOf = (path, inputs) => {
  const query = new URLSearchParams();
  let url = path.replace("{org_id}", encodeURIComponent(valueOf("organization")));
  for (const { parameter, input } of inputs) {
    const value = input.value.trim();
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value) query.append(parameter.name, value);
  }
  return url + (query.size ? `?${query}` : "");
};

const send = async (method, url, body, output) => {
  output.textContent = "…";
  const headers = {};
  if (valueOf("token")) headers.Authorization = `Bearer ${valueOf("token")}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(url, { method: method.toUpperCase(), headers, body });
    const text = await answer.text();
    const shown = ["etag", "x-request-id", "retry-after"].filter((name) => answer.headers.has(name))
      .map((name) => `${name}: ${answer.headers.get(name)}`);
    let content = text;
    try { content = pretty(JSON.parse(text)); } catch { /* no JSON: shown as it is */ }
    output.textContent = [`${answer.status} ${answer.statusText}`, ...shown, "", content].join("\n");
  } catch (fault) {
    output.textContent = `No answer: ${fault.message}`;
  }
};

const routeOf = (api, path, method, operation) => {
  const inputs = [];
  const rows = (operation.parameters || []).map((parameter) => parameterRow(api, parameter, inputs));
  const bodies = examplesOf(operation.requestBody && operation.requestBody.content);
  const body = bodies.length ? make("textarea", { rows: 16, value: pretty(bodies[0].value), ariaLabel: "body" }) : null;
  const output = make("pre", { hidden: true, ariaLive: "polite" });
  const button = make("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", () => {
    output.hidden = false;
    send(method, urlOf(path, inputs), body ? body.value : undefined, output);
  });
  const answers = Object.entries(operation.responses).map(([status, response]) =>
    make("details", {},
      make("summary", {}, make("code", { textContent: status }), ` ${response.description}`),
      ...examplesOf(response.content).map(({ mediaType, value }) =>
        make("div", {}, make("small", { textContent: mediaType }), make("pre", { textContent: pretty(value) })))));
  return make("details", { className: "route" },
    make("summary", {},
      make("span", { className: "method", textContent: method.toUpperCase() }),
      make("code", { textContent: path }), ` ${operation.summary || ""}`),
    make("div", { className: "inside" },
      make("p", { textContent: operation.description || "" }),
      rows.length ? make("table", {}, make("tbody", {}, ...rows)) : null,
      body, button, output,
      make("h3", { textContent: "Answers" }), ...answers));
};

const render = (api) => {
  const sections = new Map();
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = operation.tags[0];
      if (!sections.has(tag)) sections.set(tag, [make("h2", { textContent: tag })]);
      sections.get(tag).push(routeOf(api, path, method, operation));
    }
  }
  document.getElementById("routes").replaceChildren(
    make("pre", { textContent: api.info.description.trim() }), ...[...sections.values()].flat());
};

document.getElementById("credentials").addEventListener("submit", (event) => event.preventDefault());
fetch("/openapi.json").then((answer) => answer.json()).then(render).catch((fault) => {
  document.getElementById("routes").textContent = `Cannot read /openapi.json: ${fault.message}`;
});
