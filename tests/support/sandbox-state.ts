/** What the daemon says of a sandbox, and where on the host its machine is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { MachineDaemon } from "./machine-daemon.ts";
import { until } from "./until.ts";

type State = Partial<Pick<Sandbox, "status" | "thermal">>;

export async function show(daemon: MachineDaemon, name: string): Promise<Sandbox> {
  return await daemon.get<Sandbox>(`/sandboxes/${name}`);
}

/** The sandbox as it is listed, which asks its guest nothing. */
export async function listed(daemon: MachineDaemon, name: string): Promise<Sandbox> {
  const all = await daemon.get<Sandbox[]>("/sandboxes");
  const found = all.find((sandbox) => sandbox.name === name);
  if (!found) throw new Error(`There is no sandbox "${name}"`);
  return found;
}

/** What is shown of it once it is as wanted. */
export async function becomes(
  daemon: MachineDaemon,
  name: string,
  wanted: State,
  milliseconds = 120_000,
): Promise<Sandbox> {
  let shown: Sandbox | undefined;
  const isSo = async () => {
    shown = await listed(daemon, name);
    await Bun.sleep(20);
    return (
      (wanted.status ?? shown.status) === shown.status &&
      (wanted.thermal ?? shown.thermal) === shown.thermal
    );
  };
  await until(`sandbox "${name}" is ${JSON.stringify(wanted)}`, isSo, milliseconds).catch(
    (error: unknown) => {
      throw new Error(`it is ${JSON.stringify(shown)}\n${told(daemon)}`, { cause: error });
    },
  );
  return shown as Sandbox;
}

/** The end of the daemon's log, without the requests. */
function told(daemon: MachineDaemon): string {
  const lines = daemon.log().split("\n");
  return lines
    .filter((line) => !line.includes('"msg":"request"'))
    .slice(-20)
    .join("\n");
}

/** The folder of its machine's files. */
export async function machineFolder(daemon: MachineDaemon, name: string): Promise<string> {
  const { engine_id } = await show(daemon, name);
  return join(daemon.dataDir, "sandboxes", engine_id);
}

/** Of the QEMU that runs it, or ran it last. */
export async function machinePid(daemon: MachineDaemon, name: string): Promise<number> {
  const record = await readFile(join(await machineFolder(daemon, name), "machine.json"), "utf8");
  return (JSON.parse(record) as { pid: number }).pid;
}

/** What a shell in the guest says; throws when it fails. */
export async function inGuest(
  daemon: MachineDaemon,
  name: string,
  script: string,
): Promise<string> {
  return await daemon.ok("exec", name, "--", "sh", "-c", script);
}
