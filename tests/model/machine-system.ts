/** The daemon as it is installed, over real machines. */
import { Database } from "bun:sqlite";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { footprint } from "../support/leaks.ts";
import type { MachineDaemon } from "../support/machine-daemon.ts";
import { until } from "../support/until.ts";
import { type Answer, callFor, type Programs, replyOf, seen } from "./calls.ts";
import type { Blow, Operation, Reply, System, Upheaval, View } from "./operations.ts";

const patienceMs = 120_000;
const sh = (script: string, ...values: string[]) => ["sh", "-c", script, "sh", ...values];

/** What is remembered is in a variable of a process that goes on in the background. */
const remember = `
p=/dev/shm/$1
[ -e $p.pid ] && kill $(cat $p.pid); rm -f $p.*
VALUE=$2 setsid sh -c '
  trap "echo -n \\$VALUE > $0.new; mv $0.new $0.said" USR1
  echo $$ > $0.new; mv $0.new $0.pid
  while :; do sleep 60 & wait $!; done
' $p > /dev/null 2>&1 < /dev/null &
until [ -e $p.pid ]; do sleep 0.02; done`;

const recall = `
p=/dev/shm/$1
[ -e $p.pid ] || exit 1
rm -f $p.said
kill -USR1 $(cat $p.pid) || exit 2
until [ -e $p.said ]; do sleep 0.02; done
cat $p.said`;

const programs: Programs = {
  // Synced: its machine may crash right after.
  write: (path, text) => sh('echo -n "$2" > "$1" && sync', path, text),
  read: (path) => ["cat", path],
  remember: (key, text) => sh(remember, key, text),
  recall: (key) => sh(recall, key),
};

export class MachineSystem implements System {
  readonly #daemon: MachineDaemon;

  constructor(daemon: MachineDaemon) {
    this.#daemon = daemon;
  }

  async perform(operation: Operation): Promise<Reply> {
    const call = callFor(operation, programs);
    if (!call) return this.#suffer(operation as Blow | Upheaval);
    const { status, body } = await this.#call<Answer>(call.method, call.path, call.body);
    return replyOf(call, status, body);
  }

  performBoth(first: Operation, second: Operation): Promise<[Reply, Reply]> {
    return Promise.all([this.perform(first), this.perform(second)]);
  }

  async look(): Promise<View> {
    const sandboxes = (await this.#call<Sandbox[]>("GET", "/sandboxes")).body;
    const snapshots = (await this.#call<Snapshot[]>("GET", "/snapshots")).body;
    const awake = sandboxes.filter(({ thermal }) => thermal === "hot" || thermal === "warm");
    const { processes, files } = await footprint(this.#daemon);
    const machines = files.filter((path) => !path.includes("/"));
    same("machines", machines, this.#column("SELECT engine_id AS value FROM sandboxes"));
    if (processes.length !== awake.length) {
      throw new Error(`${awake.length} are awake, ${processes.length} processes run`);
    }
    const kept = await readdir(join(this.#daemon.dataDir, "snapshots"));
    same("snapshots", kept, this.#column("SELECT id AS value FROM snapshots"));
    return {
      sandboxes: sandboxes.map(seen),
      snapshots: snapshots.map(({ name, type }) => ({ name, kind: type })),
    };
  }

  /** For the next run. */
  async clear(): Promise<void> {
    const sandboxes = (await this.#call<Sandbox[]>("GET", "/sandboxes")).body;
    const snapshots = (await this.#call<Snapshot[]>("GET", "/snapshots")).body;
    await Promise.all([
      ...sandboxes.map(({ name }) => this.#call("DELETE", `/sandboxes/${name}`)),
      ...snapshots.map(({ name }) => this.#call("DELETE", `/snapshots/${name}`)),
    ]);
    const view = await this.look();
    if (view.sandboxes.length + view.snapshots.length > 0) throw new Error("something was left");
  }

  async #suffer(operation: Blow | Upheaval): Promise<Reply> {
    switch (operation.do) {
      case "crash":
        await this.#killMachine(operation.ref);
        await this.#becomes(operation.ref, ({ status }) => status === "unknown");
        break;
      case "cool":
        await this.#cool(operation.ref, operation.to);
        break;
      case "restart": {
        await this.#daemon.kill(operation.how === "kill" ? "SIGKILL" : "SIGTERM");
        if (operation.without !== undefined) await this.#killMachine(operation.without);
        await this.#daemon.restart();
        await this.#keptHot();
        break;
      }
      default:
        throw new Error(`nobody can ${operation.do} a real machine`);
    }
    return { status: 200 };
  }

  /** A daemon that has just started wakes those that are kept hot, after it has begun to answer. */
  async #keptHot(): Promise<void> {
    const all = (await this.#call<Sandbox[]>("GET", "/sandboxes")).body;
    const kept = all.filter(({ keep_hot, status }) => keep_hot && status === "running");
    for (const { name } of kept) await this.#becomes(name, ({ thermal }) => thermal === "hot");
  }

  async #cool(ref: string, to: "warm" | "cold"): Promise<void> {
    const times = { idle_warm_s: 1, idle_cold_s: to === "cold" ? 1 : 0 };
    await this.#call("PATCH", `/sandboxes/${ref}`, times);
    await this.#becomes(ref, ({ thermal }) => thermal === to);
    await this.#call("PATCH", `/sandboxes/${ref}`, { idle_warm_s: null, idle_cold_s: null });
  }

  async #becomes(ref: string, isSo: (sandbox: Sandbox) => boolean): Promise<void> {
    const look = async () => isSo((await this.#call<Sandbox>("GET", `/sandboxes/${ref}`)).body);
    await until(`sandbox "${ref}" is as it should be`, look, patienceMs);
  }

  async #killMachine(name: string): Promise<void> {
    const sql = `SELECT engine_id AS value FROM sandboxes WHERE name = '${name}'`;
    const [id = ""] = this.#column(sql);
    const record = join(this.#daemon.dataDir, "sandboxes", id, "machine.json");
    const { pid } = JSON.parse(await readFile(record, "utf8")) as { pid: number };
    process.kill(pid, "SIGKILL");
    await until(`process ${pid} has ended`, async () => !(await isRunning(pid)), patienceMs);
  }

  #column(sql: string): string[] {
    using database = new Database(join(this.#daemon.dataDir, "bhatti.db"), { readonly: true });
    const rows = database.query<{ value: string }, []>(sql).all();
    return rows.map(({ value }) => value);
  }

  async #call<T>(method: string, path: string, body?: unknown) {
    const response = await fetch(`${this.#daemon.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#daemon.key}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as T };
  }
}

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") X");
  return !/\) [XZ]/.test(stat);
}

function same(what: string, found: string[], rows: string[]): void {
  if (Bun.deepEquals(found.toSorted(), rows.toSorted())) return;
  throw new Error(`${what}: rows refer to ${rows}, there are ${found}`);
}
