/** Logs when a client attaches to a session and detaches, and records it as an event. */
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { RunningCommand } from "./running-command.ts";
import type { SandboxRecord } from "./sandboxes.ts";

export interface SessionStory {
  sandbox: SandboxRecord;
  running: RunningCommand;
  /** For the log: `started`, `attached` or `watched`. */
  how: string;
}

export function tellOfSession(
  { events, log }: { events: EventSink; log: Logger },
  { sandbox, running, how }: SessionStory,
): void {
  const started = performance.now();
  const { session, tty, reattached, offset } = running;
  const fields = { sandbox: sandbox.id, session };
  log.debug("session client attached", { ...fields, how, tty, offset });
  const left = (outcome: object) => {
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    log.debug("session client detached", { ...fields, duration_s: seconds, ...outcome });
    events.record({
      type: tty ? "shell.session" : "exec.piped_session",
      userId: sandbox.userId,
      sandboxId: sandbox.id,
      meta: { session_id: session, reattach: reattached, duration_s: seconds },
    });
  };
  running.result.then(
    ({ reason, exitCode }) => left(reason === "lost" ? {} : { exit_code: exitCode, reason }),
    (error: unknown) => left({ error }),
  );
}
