/** The exec endpoints: buffered, as NDJSON, or over a WebSocket. */
import type { z } from "zod";
import { endpoints } from "../../contract/all.ts";
import type { ExecBody } from "../../contract/exec.ts";
import { defaultExecTimeoutSeconds } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Logger } from "../../observability/log.ts";
import type { Command, Exec } from "../../services/exec.ts";
import { type Binder, implement } from "../implement.ts";
import type { RateLimiter } from "../middleware/rate-limit.ts";
import { collectOutput } from "../streams/exec-buffer.ts";
import { streamOutput } from "../streams/exec-ndjson.ts";
import { ExecSocket } from "../streams/exec-websocket.ts";

export interface ExecRouteOptions {
  exec: Exec;
  limiter: RateLimiter;
  log: Logger;
  identity: { version: string };
  limits: { jsonBodyBytes: number };
}

export function bindExec(binder: Binder, options: ExecRouteOptions): void {
  const { exec } = options;
  implement(binder, endpoints["exec.run"], async (call) => {
    const { context, user, params, requestId } = call;
    const signal = call.signal();
    const command = { ...commandOf(call.body), stdin: false };
    const running = await exec.start(user, params.ref, command, signal);
    const accept = context.req.raw.headers.get("accept");
    if (!accept?.includes("application/x-ndjson")) return collectOutput(running, signal);
    return streamOutput(running, { requestId, log: context.get("log"), signal });
  });

  implement(binder, endpoints["exec.stream"], ({ context, user, params, requestId }) => {
    const request = context.req.raw;
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      throw new BhattiError("bad_request", "this endpoint speaks WebSocket only");
    }
    const session = new ExecSocket({
      requestId,
      log: context.get("log"),
      admit: () => options.limiter.check(user.id, "GET", context.req.path),
      start: ({ stdin, tty, ...start }, signal) => {
        const command = { ...commandOf(start), tty, stdin: stdin ?? tty !== undefined };
        return exec.start(user, params.ref, command, signal);
      },
    });
    const headers = { "X-Bhatti-Version": options.identity.version, "X-Request-Id": requestId };
    if (!context.env.server.upgrade(request, { data: { session }, headers })) {
      throw new BhattiError("bad_request", "the WebSocket handshake is not valid");
    }
    return new Response(null, { status: 101 }); // for the log; the connection is the socket's now
  });
}

function commandOf(body: z.output<typeof ExecBody>): Omit<Command, "stdin"> {
  return {
    argv: body.cmd,
    env: body.env,
    workdir: body.workdir,
    timeoutSeconds: body.timeout_sec ?? defaultExecTimeoutSeconds,
  };
}
