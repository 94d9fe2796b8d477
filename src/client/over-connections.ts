/** A stream that goes on over as many connections as it takes. */
import { pause } from "../async/deadline.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";
import { DaemonError } from "./failure.ts";

export interface Reconnecting {
  /** Of the daemon. */
  url: string;
  /** Ends it all, with its reason. */
  signal: AbortSignal;
  /** Asked at each loss. */
  mayReconnect(): boolean;
  patienceMs?: number | undefined;
}

const firstPauseMs = 200;
const longestPauseMs = 5000;
const usualPatienceMs = 120_000;

/** What passes by itself, of an established connection and of one that is tried. */
const passing: readonly ErrorCode[] = ["connection_lost", "shutting_down"];
const passingWhileTrying: readonly ErrorCode[] = [
  ...passing,
  "daemon_unreachable",
  "not_bhatti",
  "rate_limited",
  "guest_busy",
  "guest_unresponsive",
  "timeout",
];

/**
 * What one connection after the other tells, and `lost` between them, until one comes to its end. Throws what cannot
 * pass, and connection_lost when there was no connection for too long.
 */
export async function* overConnections<T>(
  connect: (isAgain: boolean) => AsyncIterable<T>,
  { url, signal, mayReconnect, patienceMs = usualPatienceMs }: Reconnecting,
): AsyncGenerator<T | { type: "lost" }> {
  let lostAt: number | undefined;
  let wait = firstPauseMs;
  for (;;) {
    try {
      for await (const event of connect(lostAt !== undefined)) {
        signal.throwIfAborted();
        lostAt = undefined;
        wait = firstPauseMs;
        yield event;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!passes(error, lostAt !== undefined) || !mayReconnect()) throw error;
      if (lostAt === undefined) {
        lostAt = performance.now();
        yield { type: "lost" };
      } else if (performance.now() - lostAt >= patienceMs) {
        const what = `lost the connection to the daemon at ${url}, and cannot reconnect`;
        throw new BhattiError("connection_lost", what, { cause: error });
      }
    }
    await pause(wait, signal).catch(() => signal.throwIfAborted());
    wait = Math.min(wait * 2, longestPauseMs);
  }
}

function passes(error: unknown, isTrying: boolean): boolean {
  const code = error instanceof DaemonError || isBhattiError(error) ? error.code : "internal";
  const codes: readonly string[] = isTrying ? passingWhileTrying : passing;
  return codes.includes(code);
}
