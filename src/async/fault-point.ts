/** Places between two steps of an operation where tests end the daemon, to see what the next one makes of what is left. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** False in a binary for users, see scripts/build.ts: of this an empty function is left then. */
declare const BHATTI_FAULTS: boolean | undefined;

/**
 * Does nothing but in tests that set `BHATTI_FAULT_DIR`: in that folder the names of the points that are passed are
 * added to the file `passed`, and a file `fatal` with `<name> <n>` ends the process on the spot when it passes that point
 * for the n-th time. Both may be changed while it runs.
 */
export function faultPoint(name: string): void {
  if (typeof BHATTI_FAULTS === "boolean" && !BHATTI_FAULTS) return;
  // biome-ignore lint/style/noProcessEnv: a setting of test binaries only
  const folder = process.env["BHATTI_FAULT_DIR"];
  if (folder) pass(name, join(folder, "passed"), join(folder, "fatal"));
}

function pass(name: string, passed: string, fatal: string): void {
  appendFileSync(passed, `${name}\n`);
  if (!existsSync(fatal)) return;
  const times = readFileSync(passed, "utf8")
    .split("\n")
    .filter((line) => line === name).length;
  if (readFileSync(fatal, "utf8") === `${name} ${times}`) process.kill(process.pid, "SIGKILL");
}
