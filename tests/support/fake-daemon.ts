/** A real daemon, server and database in a temporary directory, over the fake engine. */
import { Database } from "bun:sqlite";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultServerConfig, type ServerConfig } from "../../src/config/schema.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import { FakeEngine, type FakeEngineOptions } from "../../src/engine/fake/fake-engine.ts";
import { FakeHost, type FakeHostOptions, fakeHostPrefix } from "../../src/engine/fake/fake-host.ts";
import type { FakeMachine } from "../../src/engine/fake/fake-machine.ts";
import { LoharGuest } from "../../src/engine/fake/lohar-guest.ts";
import { makeProcessFolder } from "../../src/host/process-folder.ts";
import { createLogger } from "../../src/observability/log.ts";
import { type Operator, openOperator } from "../../src/operator/operator.ts";
import type { Attachments } from "../../src/services/machine-config.ts";
import type { NewUser } from "../../src/services/users.ts";
import { databasePath } from "../../src/store/store.ts";
import type { ManualClock } from "./manual-clock.ts";
import { until } from "./until.ts";

export const generousLimits: ServerConfig["limits"] = {
  ...defaultServerConfig.limits,
  createPerMinute: 1_000_000,
  createBurst: 100_000,
  execPerMinute: 1_000_000,
  execBurst: 100_000,
  readPerMinute: 1_000_000,
  readBurst: 100_000,
};

export interface FakeDaemonOptions {
  engine?: FakeEngineOptions;
  host?: FakeHostOptions;
  config?: Partial<ServerConfig>;
  /** The first user's limits. */
  user?: Partial<NewUser>;
  clock?: ManualClock;
  /** Network cards and volumes that sandboxes have. */
  attachments?: Attachments;
  /** Where its data directory is made. */
  folder?: string;
  /** It may answer with errors that `/openapi.json` does not list for the endpoint. */
  undocumentedErrors?: "expected";
}

export interface Reply<T> {
  status: number;
  body: T;
  headers: Headers;
}

export interface Refusal {
  error: string;
  code: string;
  request_id: string;
}

export async function startFakeDaemon(options: FakeDaemonOptions = {}): Promise<FakeDaemon> {
  const dataDir = newDataDir(options.folder);
  const fake = new FakeDaemon(dataDir, await openOperator(dataDir, { create: true }), options);
  await fake.start();
  return fake;
}

/** The runner removes what is left in its temporary folder, and elsewhere what names a process that has ended. */
function newDataDir(folder?: string): string {
  if (folder !== undefined) return makeProcessFolder(folder, fakeHostPrefix);
  return mkdtempSync(join(tmpdir(), "bhatti-test-"));
}

/** Of the event loop. */
export function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}

/** Nobody else's: locks, and who held them. */
const ofItsProcess = /\/(daemon\.(lock|json)|[^/]*-shm)$/;

export class FakeDaemon implements AsyncDisposable {
  dataDir: string;
  engine: FakeEngine;
  readonly logLines: string[] = [];
  /** Another connection to the database, as another process has. */
  operator: Operator;
  /** The first user's key. */
  readonly key: string;
  readonly config: ServerConfig;
  readonly #options: FakeDaemonOptions;
  #daemon: Daemon | undefined;
  /** Those that were killed, and whatever they still do about it. */
  readonly #dying: Promise<void>[] = [];

  constructor(dataDir: string, operator: Operator, options: FakeDaemonOptions) {
    this.dataDir = dataDir;
    this.operator = operator;
    this.#options = options;
    this.engine = new FakeEngine(options.engine, new FakeHost(options.host));
    this.config = {
      ...defaultServerConfig,
      listen: "127.0.0.1:0",
      defaultImage: "tiny",
      limits: generousLimits,
      ...options.config,
      engine: "fake",
      dataDir,
    };
    this.addImage("tiny", 64);
    const limits = { maxSandboxes: 50, maxCpus: 4, maxMemoryMB: 4096 };
    this.key = operator.users.create({ name: "ada", ...limits, ...options.user }).key;
  }

  async start(): Promise<void> {
    const write = (line: string) => void this.logLines.push(line);
    this.#daemon = await startDaemon(this.config, {
      log: createLogger({ level: "debug", write }),
      version: "1.2.3",
      runtimeDir: this.dataDir,
      engine: this.engine,
      ...(this.#options.clock && { clock: this.#options.clock }),
      ...(this.#options.attachments && { attachments: this.#options.attachments }),
    });
  }

  /**
   * As a SIGKILL would: from now on it reaches no machine, and no file that its successor reads, which is a daemon on a
   * copy of its data directory. `start` starts that.
   */
  async kill(): Promise<void> {
    const { dataDir } = this;
    const killed = this.#daemon;
    this.#daemon = undefined;
    this.engine.die();
    this.#options.clock?.clear();
    this.dataDir = newDataDir(this.#options.folder);
    this.config.dataDir = this.dataDir;
    const filter = (path: string) => !ofItsProcess.test(path);
    cpSync(dataDir, this.dataDir, { recursive: true, filter });
    this.operator.close();
    this.engine = new FakeEngine(this.engine.options, this.engine.host);
    this.#dying.push(this.#bury(killed, dataDir));
    this.operator = await openOperator(this.dataDir);
  }

  async #bury(killed: Daemon | undefined, dataDir: string): Promise<void> {
    await killed?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  /** Its machines run on in between. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  get url(): string {
    if (!this.#daemon) throw new Error("the daemon does not run");
    return this.#daemon.url;
  }

  addImage(name: string, sizeMB: number): void {
    const directory = join(this.dataDir, "images");
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `${name}.ext4`);
    writeFileSync(path, "");
    this.operator.images.register({ name, digest: `sha256:${name}`, path, sizeMB, source: "test" });
  }

  /** A raw request, with the first user's key unless the headers say otherwise. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${this.key}`);
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  async call<T = Refusal>(
    method: string,
    path: string,
    body?: unknown,
    key = this.key,
  ): Promise<Reply<T>> {
    const response = await this.fetch(path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const { status, headers } = response;
    return { status, headers, body: (await response.json()) as T };
  }

  /** A sandbox of the first user; throws when there is none in the end. */
  async create(request: object = {}): Promise<Sandbox> {
    const { status, body } = await this.call<Sandbox>("POST", "/sandboxes", request);
    if (status !== 201) throw new Error(`create: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Its only machine. */
  get machine(): FakeMachine {
    const [machine, ...others] = this.engine.machines.values();
    if (!machine || others.length > 0) throw new Error("There is not exactly one machine");
    return machine;
  }

  /** A file of its only machine, as a path on this host. */
  onDisk(path: string): string {
    const { guest } = this.machine.body;
    if (!(guest instanceof LoharGuest)) throw new Error("The guest has no files on this host");
    return join(guest.root, path);
  }

  logged(message: string): boolean {
    return this.logLines.some((line) => line.includes(message));
  }

  /** Lets time pass, and waits for what that sets off. */
  async pass(milliseconds: number): Promise<void> {
    const { clock } = this.#options;
    if (!clock) throw new Error("Its time is the system's: start it with a clock");
    await clock.pass(milliseconds, () => this.settled());
  }

  /** Until nothing is under way any more: all that takes time here is the engine's steps. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet += 1) {
      await turn();
      if (this.engine.host.busy > 0) quiet = 0;
    }
  }

  /** What was recorded of that type; waits for the first. */
  async events(type: string): Promise<{ sandbox_id: string | null; meta: string }[]> {
    using database = new Database(databasePath(this.dataDir), { readonly: true });
    const query = database.query<{ sandbox_id: string | null; meta: string }, [string]>(
      "SELECT sandbox_id, meta FROM events WHERE type = ? ORDER BY id",
    );
    await until(`an event ${type}`, () => query.all(type).length > 0);
    return query.all(type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rmSync(this.dataDir, { recursive: true, force: true }));
    undo.use(this.engine.host);
    undo.defer(() => this.operator.close());
    undo.defer(() => Promise.all(this.#dying).then(() => {}));
    await this.stop();
    if (this.#options.undocumentedErrors === "expected") return;
    const lines = this.logLines.filter((line) => line.includes('"msg":"undocumented error"'));
    if (lines.length > 0) throw new Error(`/openapi.json lacks errors: ${lines.join("")}`);
  }
}
