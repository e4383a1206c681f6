// Requests to the HTTP API. The name and the password are kept for this tab only and sent with each request; the header
// `x-menura-page` tells the server not to let the browser ask for them in a window of its own.

const STORED = "menura.login";

export class ApiError extends Error {
  constructor(status, error, reason) {
    super(typeof reason === "string" ? reason : JSON.stringify(reason ?? error));
    this.status = status;
    this.error = error;
  }
}

let onLoggedOut = () => {};

/** What happens when a login is no longer good. */
export function whenLoggedOut(listener) {
  onLoggedOut = listener;
}

export function login(name, password) {
  const octets = new TextEncoder().encode(`${name}:${password}`);
  sessionStorage.setItem(STORED, btoa(String.fromCharCode(...octets)));
}

export function logout() {
  sessionStorage.removeItem(STORED);
}

export function hasLogin() {
  return sessionStorage.getItem(STORED) !== null;
}

function headersOf(more) {
  return { authorization: `Basic ${sessionStorage.getItem(STORED) ?? ""}`, "x-menura-page": "1", ...more };
}

/** `path("api", "queues", "/", "a b")` is "/api/queues/%2F/a%20b". */
export function path(...parts) {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** A path with what has a value of `query`. */
export function withQuery(address, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${address}?${new URLSearchParams(given)}` : address;
}

/** The answer's octets, as fetch gives them. */
export async function request(method, address, { body, headers, signal } = {}) {
  const options = { method, signal, cache: "no-store", credentials: "omit", headers: headersOf(headers) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "unreachable");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const failure = new ApiError(answer.status, told.error ?? answer.statusText, told.reason);
  checkLogin(failure);
  throw failure;
}

/** Whether a failure means that the login is no longer good. What a user may not do is another matter. */
export function checkLogin(failure) {
  const ended = failure.status === 401 && failure.error !== "not_authorised";
  if (ended) onLoggedOut(failure);
  return ended;
}

async function json(method, address, options) {
  const answer = await request(method, address, options);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const get = (address, options) => json("GET", address, options);
export const put = (address, body) => json("PUT", address, { body });
export const post = (address, body) => json("POST", address, { body });
export const remove = (address, headers) => json("DELETE", address, { headers });
