/** Maps the fields of every request that starts a command, and their units, to the request that the guest gets. */
import type { z } from "zod";
import type { ExecStart } from "../contract/exec.ts";
import type { ExecRequest } from "../services/exec.ts";

type Fields = Partial<z.output<typeof ExecStart>> & Pick<z.output<typeof ExecStart>, "cmd">;

/** `defaultTimeoutSeconds` of 0: the command has no time limit. */
export function execRequestOf(fields: Fields, defaultTimeoutSeconds: number): ExecRequest {
  return {
    argv: fields.cmd,
    env: fields.env,
    cwd: fields.workdir,
    user: fields.user,
    tty: fields.tty,
    stdin: fields.stdin ?? false,
    timeoutMs: (fields.timeout_sec ?? defaultTimeoutSeconds) * 1000,
    session: fields.session,
    maxIdleMs: fields.max_idle_sec ? fields.max_idle_sec * 1000 : undefined,
  };
}
