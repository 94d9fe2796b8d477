/** A session's log while it grows, over as many connections as it takes: each goes on at the byte where the last one was lost. */
import type { LogEvent } from "../contract/sessions.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { eventIn } from "./answer.ts";
import type { Client } from "./client.ts";
import { openSocket } from "./open-socket.ts";
import { overConnections } from "./over-connections.ts";

export type LogOutput =
  /** Bytes before what follows are no longer kept. */
  | { type: "dropped"; bytes: number }
  | { type: "output"; data: Uint8Array }
  | { type: "lost" }
  /** There is a connection again. `complete` unless some of the log is no longer kept. */
  | { type: "regained"; complete: boolean };

export interface LogToFollow {
  /** The sandbox. */
  ref: string;
  session: string;
  /** Only so many bytes of what there is already. */
  tail?: number;
  /** Ends it, with its reason. */
  signal?: AbortSignal;
  patienceMs?: number;
}

/** Ends when the session has. Throws as Client does, and connection_lost when its end is unknown. */
export async function* followLog(client: Client, log: LogToFollow): AsyncGenerator<LogOutput> {
  const place = new Place();
  yield* overConnections((isAgain) => connection(client, log, place, isAgain), {
    url: client.url,
    signal: log.signal ?? new AbortController().signal,
    mayReconnect: () => place.next !== undefined,
    patienceMs: log.patienceMs,
  });
}

/** Where a log was left off. */
class Place {
  /** The number of the next byte; unknown before there was a connection, and where the daemon does not know it. */
  next: number | undefined;

  /** Whether nothing is missing before what follows. */
  begin(offset: number | undefined): boolean {
    const complete = offset === this.next;
    this.next = offset;
    return complete;
  }

  passed(bytes: number): void {
    if (this.next !== undefined) this.next += bytes;
  }
}

async function* connection(
  client: Client,
  { ref, session, tail, signal }: LogToFollow,
  place: Place,
  isAgain: boolean,
): AsyncGenerator<LogOutput> {
  const query = isAgain ? { from: place.next?.toString() } : { tail: tail?.toString() };
  const input = { params: { ref, session }, query };
  const channel = await openSocket(client, "session.follow", input, { signal });
  try {
    for await (const message of channel.messages) {
      if (typeof message !== "string") {
        place.passed(message.length);
        yield { type: "output", data: message };
        continue;
      }
      const event = eventIn<Exclude<LogEvent, { type: "error" }>>(message, client.url);
      if (event.type === "end") return;
      const complete = place.begin(event.offset);
      if (isAgain) yield { type: "regained", complete };
      else if (tail === undefined && event.offset) yield { type: "dropped", bytes: event.offset };
    }
    const what = `the connection to the daemon at ${client.url} was lost before the session ended`;
    throw new BhattiError("connection_lost", what);
  } finally {
    channel.close();
  }
}
