/** The exec endpoints: buffered, as NDJSON, detached, or over a WebSocket. */
import type { z } from "zod";
import type { Clock } from "../../async/clock.ts";
import { type Endpoints, endpoints } from "../../contract/all.ts";
import type { ExecBody } from "../../contract/exec.ts";
import { defaultExecTimeoutSeconds } from "../../contract/exec-limits.ts";
import type { Logger } from "../../observability/log.ts";
import type { Exec } from "../../services/exec.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import type { Sessions } from "../../services/sessions.ts";
import type { User } from "../../services/users.ts";
import { execRequestOf } from "../exec-request.ts";
import { type Binder, type Call, implement } from "../implement.ts";
import { collectOutput } from "../streams/exec-buffer.ts";
import { streamOutput } from "../streams/exec-ndjson.ts";
import { ExecConversation, type ExecOpening } from "../streams/exec-websocket.ts";
import { serveSocket } from "../streams/upgrade.ts";

export interface ExecRouteOptions {
  exec: Exec;
  sessions: Sessions;
  clock: Clock;
  log: Logger;
  identity: { version: string };
  limits: { jsonBodyBytes: number };
}

export function bindExec(binder: Binder, options: ExecRouteOptions): void {
  const { exec } = options;
  implement(binder, endpoints["exec.run"], async (call) => {
    const { context, user, params, body, requestId } = call;
    const signal = call.signal();
    if (body.detach) return await detached(exec, user, params.ref, body, signal);
    const request = execRequestOf(body, defaultExecTimeoutSeconds);
    const start = () => exec.start(user, params.ref, request, signal);
    const accepted = ndjsonIn(context.req.raw.headers.get("accept"));
    if (!accepted) return await buffered(call, start, signal);
    const base64 = accepted.base64 || body.encoding === "base64";
    return streamOutput(await start(), { requestId, log: context.get("log"), signal, base64 });
  });

  implement(binder, endpoints["exec.stream"], (call) => {
    const start = (opening: ExecOpening, signal: AbortSignal) =>
      startOf(options, call.user, call.params.ref, opening, signal);
    return serveSocket(call, options, {
      clientBegins: true,
      talk: (connection) => new ExecConversation(connection, start),
    });
  });
}

function startOf(
  { exec, sessions }: ExecRouteOptions,
  user: User,
  ref: string,
  opening: ExecOpening,
  signal: AbortSignal,
): Promise<RunningCommand> {
  switch (opening.kind) {
    case "exec": {
      const { session, tty } = opening.request;
      const defaultSeconds = session || tty ? 0 : defaultExecTimeoutSeconds;
      return exec.start(user, ref, execRequestOf(opening.request, defaultSeconds), signal);
    }
    case "attach": {
      const { attach, mode = "control", from, tty } = opening.request;
      const size = { ...(from !== undefined && { from }), ...(tty && { tty }) };
      return sessions.attach(user, ref, { session: attach, mode, ...size }, signal);
    }
    case "shell": {
      const { shell, tty } = opening.request;
      return sessions.shell(user, ref, { reattach: shell === "reattach", tty }, signal);
    }
  }
}

/** Refused before it starts when there is no room for its output. */
async function buffered(
  { answering, answer }: Pick<Call<Endpoints["exec.run"]>, "answering" | "answer">,
  start: () => Promise<RunningCommand>,
  signal: AbortSignal,
): Promise<Response> {
  const { budget, context } = answering();
  const reservation = budget.reserve(context.get("user")?.id ?? "");
  try {
    return answer(await collectOutput(await start(), reservation, signal), { reservation });
  } catch (error) {
    reservation.release();
    throw error;
  }
}

async function detached(
  exec: Exec,
  user: User,
  ref: string,
  body: z.output<typeof ExecBody>,
  signal: AbortSignal,
) {
  const request = { ...execRequestOf(body, 0), outputFile: body.output_file };
  const { session, pid, outputFile, failure, warning } = await exec.detach(
    user,
    ref,
    request,
    signal,
  );
  return {
    detached: true as const,
    session_id: session,
    pid,
    output_file: outputFile,
    ...(failure && { exit_code: failure.exitCode, error: failure.error }),
    ...(warning && { warning }),
  };
}

/** Whether an Accept header takes NDJSON, and with base64 for bytes that are not UTF-8. */
function ndjsonIn(accept: string | null): { base64: boolean } | undefined {
  const types = (accept ?? "").split(",").map((type) => type.toLowerCase().replace(/[\s"]/g, ""));
  const [parameters] = types
    .map((type) => type.split(";"))
    .flatMap(([name, ...rest]) => (name === "application/x-ndjson" ? [rest] : []));
  return parameters && { base64: parameters.includes("encoding=base64") };
}
