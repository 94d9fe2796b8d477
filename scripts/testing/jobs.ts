/** What `make test` runs: checks, the agent's tests, and a process for each test file. */
import { type Counter, countBun, countCargo, countCheck } from "./counts.ts";

export interface Job {
  /** Unique: its time is recorded under this name. */
  name: string;
  command: readonly string[];
  /** Where it runs, from the root of the clone. */
  folder: string;
  count: Counter;
}

/** Its `.cargo/config.toml` sets the target, which is read where cargo runs. */
const agent = "guest/lohar";

const checks: readonly Job[] = [
  check("types", ".", "bunx", "tsc"),
  check("lint", ".", "bunx", "biome", "check", "--error-on-warnings", "."),
  check("rust format", agent, "cargo", "fmt", "--check"),
  check(
    "rust lint",
    agent,
    ..."cargo clippy --quiet --locked --all-targets -- -D warnings".split(" "),
  ),
];

const agentTests: Job = {
  name: "guest agent",
  command: ["cargo", "test", "--locked"],
  folder: agent,
  count: countCargo,
};

function check(name: string, folder: string, ...command: string[]): Job {
  return { name, command, folder, count: countCheck };
}

/** The files that start no machine, no browser and no binary. */
export const quickTests = /^tests\/(?:[^/]+\.test\.ts$|protocol\/|api\/)/;

export function jobs(testFiles: readonly string[]): Job[] {
  return [...checks, agentTests, bunTests("src"), ...testFiles.map(bunTests)];
}

function bunTests(path: string): Job {
  // Only a hang takes a test that long.
  const command = ["scripts/in-netns.sh", process.execPath, "test", "--timeout", "300000", path];
  return { name: path, command, folder: ".", count: countBun };
}
