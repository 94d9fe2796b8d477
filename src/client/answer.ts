/** Parses answers of a daemon, which may be another version or another program: any field may be absent. */
import type { Result } from "../contract/all.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { CallId } from "./client.ts";
import { DaemonError } from "./failure.ts";
import { listIn, recordIn } from "./json.ts";

/** An answer with every field optional. */
export type Received<T> = T extends readonly (infer Item)[]
  ? Received<Item>[]
  : T extends object
    ? { [Name in keyof T]?: Received<T[Name]> }
    : T;

type ListId = { [Id in CallId]: Result<Id> extends readonly unknown[] ? Id : never }[CallId];

/** Calls that return a list; all others return an object. */
const lists: Record<ListId, true> = {
  "sandbox.list": true,
  "sandbox.fork": true,
  "session.list": true,
  "snapshot.list": true,
  "template.list": true,
  "image.list": true,
  "operation.list": true,
};

/** Undefined if the text is not such an answer. */
export function answerIn(id: CallId, text: string): object | undefined {
  return Object.hasOwn(lists, id) ? listIn(text) : recordIn(text);
}

/** An event of a stream, of which only the type is checked. */
export type ReceivedEvent<T extends { type: string }> = Pick<T, "type"> & Received<Omit<T, "type">>;

/**
 * Parses a message of a stream and requires the fields of its type. Throws DaemonError for type `error`, not_bhatti for an
 * invalid message.
 */
export function eventIn<Event extends { type: string }>(
  text: string,
  url: string,
  required: Readonly<Record<string, readonly string[]>> = {},
): Event {
  const event = recordIn(text);
  const type = event?.["type"];
  if (event && type === "error") throw DaemonError.fromEvent(event);
  const fields = typeof type === "string" ? (required[type] ?? []) : ["type"];
  if (!event || fields.some((field) => event[field] === undefined)) {
    const what = `unknown message ${JSON.stringify(text.slice(0, 100))} from ${url}`;
    throw new BhattiError("not_bhatti", what);
  }
  return event as Event;
}
