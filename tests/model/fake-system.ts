/** The daemon over the fake engine, in this process, whose clock stands still between operations. */
import { Database } from "bun:sqlite";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { databasePath } from "../../src/store/store.ts";
import { type FakeDaemon, turn } from "../support/fake-daemon.ts";
import { type Answer, callFor, replyOf, seen } from "./calls.ts";
import type { Blow, Operation, Reply, SeenSandbox, System, Upheaval, View } from "./operations.ts";
import { programs, StubGuest } from "./stub-guest.ts";

const end = { detail: "as the model has it" };

export class FakeSystem implements System {
  readonly #daemon: FakeDaemon;

  constructor(daemon: FakeDaemon) {
    this.#daemon = daemon;
  }

  async perform(operation: Operation): Promise<Reply> {
    const reply = await this.#begin(operation);
    await this.#daemon.settled();
    return reply;
  }

  async performBoth(first: Operation, second: Operation, later: number): Promise<[Reply, Reply]> {
    const one = this.#attempt(first);
    for (let steps = 0; steps < later; steps += 1) await turn();
    const replies = await Promise.all([one, this.#attempt(second)]);
    await this.#daemon.settled();
    return replies;
  }

  /** A daemon that is killed answers nobody. */
  #attempt(operation: Operation): Promise<Reply> {
    return this.#begin(operation).catch((error: unknown) => {
      if (error instanceof Error && "code" in error) return { status: 0 };
      throw error;
    });
  }

  async look(): Promise<View> {
    const { host } = this.#daemon.engine;
    const { started } = host;
    const sandboxes = (await this.#get<Sandbox[]>("/sandboxes")).map((sandbox) => {
      return { ...seen(sandbox), ...this.#inside(sandbox.engine_id) };
    });
    for (const { name } of sandboxes) await this.#get(`/sandboxes/${name}`);
    const snapshots = await this.#get<Snapshot[]>("/snapshots");
    await turn();
    if (host.started !== started || host.busy > 0) throw new Error("looking woke somebody");
    this.#checkRows();
    return { sandboxes, snapshots: snapshots.map(({ name, type }) => ({ name, kind: type })) };
  }

  /** What was recorded since then, by type. */
  recorded(): Map<string, number> {
    using database = new Database(databasePath(this.#daemon.dataDir), { readonly: true });
    const query = database.query<{ type: string; count: number }, []>(
      "SELECT type, count(*) AS count FROM events GROUP BY type",
    );
    return new Map(query.all().map(({ type, count }) => [type, count]));
  }

  async #begin(operation: Operation): Promise<Reply> {
    const call = callFor(operation, programs);
    if (!call) return this.#suffer(operation as Blow | Upheaval);
    const { status, body } = await this.#daemon.call<Answer>(call.method, call.path, call.body);
    return replyOf(call, status, body);
  }

  async #suffer(operation: Blow | Upheaval): Promise<Reply> {
    switch (operation.do) {
      case "crash":
        (await this.#machineOf(operation.ref))?.finish({ reason: "crashed", ...end });
        break;
      case "power-off":
        (await this.#machineOf(operation.ref))?.finish({ reason: "powered_off", ...end });
        break;
      case "deafen": {
        const machine = await this.#machineOf(operation.ref);
        if (machine) machine.isDeaf = operation.on;
        break;
      }
      case "damage": {
        const machine = await this.#machineOf(operation.ref);
        if (machine) machine.body.saved = operation.how;
        break;
      }
      case "cool":
        throw new Error("here time passes instead");
      case "pass":
        await this.#daemon.pass(operation.seconds * 1000);
        break;
      case "restart":
        await this.#restart(operation.how, operation.without);
    }
    return { status: 200 };
  }

  async #restart(how: "stop" | "kill" | "rest", without: string | undefined): Promise<void> {
    const doomed = without === undefined ? undefined : await this.#machineOf(without);
    this.#daemon.config.onShutdown = how === "rest" ? "stop" : "keep";
    if (how === "kill") await this.#daemon.kill();
    else await this.#daemon.stop();
    this.#daemon.config.onShutdown = "keep";
    doomed?.finish({ reason: "crashed", ...end });
    await this.#daemon.start();
  }

  async #machineOf(ref: string) {
    const { status, body } = await this.#daemon.call<Sandbox>("GET", `/sandboxes/${ref}`);
    return status === 200 ? this.#daemon.engine.machines.get(body.engine_id) : undefined;
  }

  #inside(engineId: string): Pick<SeenSandbox, "files" | "memory"> {
    const body = this.#daemon.engine.machines.get(engineId)?.body;
    if (!(body?.guest instanceof StubGuest)) throw new Error(`there is no machine ${engineId}`);
    return { files: body.guest.files, memory: body.hasMemory ? body.guest.memory : {} };
  }

  async #get<T>(path: string): Promise<T> {
    const { status, body } = await this.#daemon.call<T>("GET", path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Each machine and saved state has a row, each row has its machine, and no operation is left unfinished. */
  #checkRows(): void {
    const { machines, host } = this.#daemon.engine;
    using database = new Database(databasePath(this.#daemon.dataDir), { readonly: true });
    const column = (sql: string) =>
      database
        .query<{ value: string }, []>(sql)
        .all()
        .map(({ value }) => value)
        .sort();
    same("machines", column("SELECT engine_id AS value FROM sandboxes"), machines.keys());
    same("snapshots", column("SELECT id AS value FROM snapshots"), host.kept.keys());
    same(
      "operations that have not ended",
      column("SELECT kind || ' ' || id AS value FROM operations WHERE ended_at IS NULL"),
      [],
    );
    const running = machines.values().filter((machine) => machine.running);
    const alive = [...running].map(({ id }) => id).filter((id) => !this.#isKnownToRun(id, column));
    if (alive.length > 0) throw new Error(`${alive} run, their rows do not say so`);
  }

  #isKnownToRun(id: string, column: (sql: string) => string[]): boolean {
    const sql = "SELECT engine_id AS value FROM sandboxes WHERE status = 'running'";
    return column(sql).includes(id);
  }
}

function same(what: string, rows: string[], found: Iterable<string>): void {
  const there = [...found].sort();
  if (Bun.deepEquals(rows, there)) return;
  throw new Error(`${what}: rows refer to ${rows}, there are ${there}`);
}
