/** Sessions as a client of the API sees them. */
import type { Session } from "../../src/contract/sessions.ts";
import { ExecSocketClient } from "./exec-socket.ts";
import { type FakeDaemon, startFakeDaemon } from "./fake-daemon.ts";
import { until } from "./until.ts";

export const size = { rows: 24, cols: 80 };

export const sessions = "/sandboxes/dev/sessions";

/** A daemon with the sandbox `dev`. */
export async function withSandbox(request: object = {}) {
  const daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", ...request });
  return daemon;
}

export async function startDetached(daemon: FakeDaemon, ...cmd: string[]) {
  const { body } = await daemon.call<{ session_id: string; output_file: string }>(
    "POST",
    "/sandboxes/dev/exec",
    { cmd, detach: true },
  );
  return body;
}

export function logOf(daemon: FakeDaemon, id: string, query = "") {
  return daemon.fetch(`${sessions}/${id}/log${query}`);
}

export async function listSessions(daemon: FakeDaemon, query = ""): Promise<Session[]> {
  return (await daemon.call<Session[]>("GET", `/sandboxes/dev/sessions${query}`)).body;
}

export async function oneSession(daemon: FakeDaemon, id: string): Promise<Session> {
  const found = (await listSessions(daemon, "?all=true")).find((one) => one.session_id === id);
  if (!found) throw new Error(`there is no session ${id}`);
  return found;
}

/** A client of `dev`'s exec WebSocket, with the id of its session. */
export async function openSession(daemon: FakeDaemon, request: object) {
  const client = await ExecSocketClient.start(daemon, "dev", request);
  const session = await client.event("session");
  return { client, session, id: session.session_id };
}

/** The client goes away, and the sandbox knows it. */
export async function leave(daemon: FakeDaemon, client: ExecSocketClient, id: string) {
  client.close();
  await until("it is detached", async () => !(await oneSession(daemon, id)).attached);
}

export async function says(client: { stdout: string }, text: string): Promise<void> {
  await until(`output has ${JSON.stringify(text)}`, () => client.stdout.includes(text));
}
