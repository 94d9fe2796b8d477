/** The exit code of bhatti's own failures: by default 1, which a command may exit with too. */
import { whole } from "../arguments/flags.ts";
import type { System } from "../system.ts";
import { UsageError } from "../usage-error.ts";

const flag = "error-exit-code";
const variable = "BHATTI_ERROR_EXIT_CODE";
const defaultCode = 1;

export const errorExitCode = whole(
  `Exit code for errors of the client or the daemon (default ${defaultCode}, or $${variable})`,
  { min: 1, max: 255, placeholder: "code" },
);

/** Throws UsageError when the environment variable is no exit code. */
export function checkErrorExitCode(env: System["env"]): void {
  const value = env[variable];
  if (!value || codeOf(value) !== undefined) return;
  throw new UsageError(`${variable} must be between 1 and 255, got "${value}"`);
}

/** Of a command line that may be wrong. */
export function errorExitCodeOf(words: readonly string[], env: System["env"]): number {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const at = own.findLastIndex((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
  const written = own[at]?.includes("=") ? own[at].slice(flag.length + 3) : own[at + 1];
  const value = at < 0 ? env[variable] : written;
  return codeOf(value ?? "") ?? defaultCode;
}

function codeOf(value: string): number | undefined {
  const code = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  return code >= 1 && code <= 255 ? code : undefined;
}
