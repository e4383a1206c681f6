// Which page an address shows. The address is behind the "#": "#/queues/%2F/orders?tab=messages". A page's module is
// loaded when it is first opened.

const PAGES = [
  ["", "overview"],
  ["connections", "connections"],
  ["connections/:name", "connection"],
  ["channels", "channels"],
  ["channels/:name", "channel"],
  ["sessions", "sessions"],
  ["exchanges", "exchanges"],
  ["exchanges/:vhost/:name", "exchange"],
  ["queues", "queues"],
  ["queues/:vhost/:name", "queue"],
  ["topology", "topology"],
  ["policies", "policies"],
  ["users", "users"],
  ["users/:name", "user"],
  ["vhosts", "vhosts"],
  ["vhosts/:name", "vhost"],
  ["shovels", "shovels"],
  ["parameters", "parameters"],
  ["definitions", "definitions"],
].map(([pattern, page]) => ({ parts: pattern.split("/"), page }));

/** {page, params, query} of an address; a page of undefined is one that does not exist. */
export function resolve(hash) {
  const [address, search = ""] = hash.replace(/^#?\/?/, "").split("?");
  const parts = address.split("/");
  const query = Object.fromEntries(new URLSearchParams(search));
  for (const { parts: pattern, page } of PAGES) {
    const params = match(pattern, parts);
    if (params) return { page, params, query };
  }
  return { page: undefined, params: {}, query };
}

function match(pattern, parts) {
  if (pattern.length !== parts.length) return undefined;
  const params = {};
  for (const [at, part] of pattern.entries()) {
    if (part.startsWith(":")) {
      try {
        params[part.slice(1)] = decodeURIComponent(parts[at]);
      } catch {
        return undefined;
      }
    } else if (part !== parts[at]) return undefined;
  }
  return params;
}

/** `to("queues", "/", "orders")` is "#/queues/%2F/orders"; an object at the end is the query. */
export function to(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  if (parts.length === 1 && parts[0] === "") return `#/${search}`;
  // The default exchange has no name, and an address no empty part.
  return `#/${parts.map((part) => encodeURIComponent(part === "" ? "amq.default" : part)).join("/")}${search}`;
}

export function go(...parts) {
  location.hash = to(...parts);
}

/** Change some of the query and stay on the page, without a step in the history. */
export function requery(changes) {
  const { query } = resolve(location.hash);
  const address = location.hash.split("?")[0] || "#/";
  const given = Object.entries({ ...query, ...changes }).filter(([, value]) => value !== undefined && value !== "");
  history.replaceState(null, "", given.length ? `${address}?${new URLSearchParams(given)}` : address);
}
