// The requests about messages that wait in a queue: looking, and doing something with them.

import { path, post } from "./api.js";

const of = ({ vhost, name }, verb) => path("api", "menura", "queues", vhost, name, verb);

/** {messages, examined, complete, next}: messages as they wait, none taken. `choice` is as the API has it. */
export function peek(queue, choice, { count, after, bodyBytes }) {
  return post(of(queue, "peek"), { ...choice, count, ...(after ? { after } : {}), body_bytes_max: bodyBytes });
}

/** {examined, found, done, unrouted, refused}: what came of moving, copying, replaying or deleting what is chosen. */
export function transfer(queue, verb, choice, target = {}) {
  return post(of(queue, verb), { ...choice, ...target });
}
