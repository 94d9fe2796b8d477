/** Closing a terminal window ends the client and keeps the session. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { binary, runInTerminal } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { Tmux } from "../support/tmux.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  await daemon.run(["destroy", "dev", "-y"]);
  await daemon.ok("create", "--name", "dev");
});

interface Listed {
  session_id: string;
  running: boolean;
  attached: boolean;
}

const sessions = async () =>
  JSON.parse(await daemon.ok("ps", "dev", "--all", "--json")) as Listed[];

const becomes = (what: string, expected: Pick<Listed, "running" | "attached">) =>
  until(`the session is ${what}`, async () => {
    const [session] = await sessions();
    return session?.running === expected.running && session.attached === expected.attached;
  });

const attached = () => becomes("attached", { running: true, attached: true });
const kept = () => becomes("kept", { running: true, attached: false });

test.each([
  ["exec -it dev -- sleep 444", ""],
  ["exec -it dev -- sh -c 'echo ready; sleep 444'", "ready"],
  ["exec -it dev -- bash", "$"],
  ["exec -t --session dev -- sh -c 'echo ready; sleep 444'", "ready"],
  ["shell dev", "$"],
])("closing the terminal of %s ends the client", async (words, shown) => {
  const run = runInTerminal(["bash", "-c", `exec ${binary} ${words}`], daemon.env);
  await attached();
  await run.shows(shown);
  run.hangUp();
  await until("the client ends", () => !isAlive(run.pid));
  await kept();
});

test("closing the terminal of attach ends the client", async () => {
  await daemon.ok("exec", "--detach", "dev", "--", "sleep", "444");
  const [session] = await sessions();
  const run = runInTerminal([binary, "attach", "dev", session?.session_id ?? ""], daemon.env);
  await attached();
  run.hangUp();
  await until("the client ends", () => !isAlive(run.pid));
  await kept();
});

test.each(["", "exec "])("a tmux pane that is killed ends its client: %sbhatti", async (exec) => {
  await using tmux = await Tmux.open({
    ...daemon.env,
    PATH: `${dirname(binary)}:${process.env["PATH"]}`,
  });
  await tmux.enter(`clear; ${exec}bhatti exec -it dev -- sleep 444`);
  await attached();
  const pid = Number(await tmux.fact("pane_pid"));
  await tmux.killPane();
  await until("the pane's process ends", () => !isAlive(pid));
  await kept();
});

const talkative = "cat /workspace/text; sleep 444";

test.each([
  ["exec", () => ["-t", "-n", "dev", "--", "sh", "-c", talkative]],
  ["attach", (session: string) => ["--watch", "dev", session]],
] as const)("SIGTERM ends %s although its output is not read", async (verb, words) => {
  await daemon.run(["file", "write", "dev", "text"], { stdin: "x".repeat(200_000) });
  await daemon.ok("exec", "--detach", "dev", "--", "sh", "-c", talkative);
  const [session] = await sessions();
  const path = `${daemon.home}/${verb}`;
  Bun.spawnSync(["mkfifo", path]);
  const pipe = openSync(path, "r+");
  writeSync(pipe, "y".repeat(10_000)); // so that less fits in than a session keeps
  const child = Bun.spawn([binary, verb, ...words(session?.session_id ?? "")], {
    env: { PATH: process.env["PATH"], ...daemon.env },
    stdin: "ignore",
    stdout: pipe,
    stderr: "ignore",
  });
  await until("its write waits for the reader", () => waitsToWrite(child.pid));
  child.kill("SIGTERM");
  await child.exited;
  closeSync(pipe);
  expect(child.signalCode).toBe("SIGTERM");
});

function waitsToWrite(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.some((id) =>
    readFileSync(`/proc/${pid}/task/${id}/wchan`, "utf8").includes("pipe_write"),
  );
}

/** Whether it runs; one that has ended and is waited for does not. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}
