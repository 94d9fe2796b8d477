/**
 * The name server of one network: dnsmasq, which answers names of the network from a file and asks the host's resolvers
 * for the rest. It outlives the daemon; the next one takes it over by its record.
 */
import { closeSync, openSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writeAtomically } from "../host/atomic-file.ts";
import { endProcess, isAlive, launch, type ProcessIdentity } from "../host/process.ts";

/** The domain of sandboxes' names: `dev.sb` is `dev`. */
const domain = "sb";
const nobody = 65_534;
/** Seconds that a guest keeps an answer about another sandbox. */
const ttl = 5;

const Identity = z.object({ pid: z.int(), startTime: z.number() });

export interface ResolverOptions {
  /** Its files; made when it is missing. The folders above must let others pass. */
  directory: string;
  /** The address that it listens on. */
  gateway: string;
  /** Asked for public names, such as `1.1.1.1`; those of the host's resolv.conf when empty. */
  upstreams: readonly string[];
}

export class Resolver {
  readonly #options: ResolverOptions;
  #process: ProcessIdentity | undefined;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** Call it after the first `setNames`. Starts dnsmasq, or takes over the one that runs. Throws CommandError where there is no such program. */
  async start(): Promise<void> {
    const known = await this.#record();
    if (known && isAlive(known)) {
      this.#process = known;
      return;
    }
    const log = openSync(join(this.#options.directory, "dnsmasq.log"), "w", 0o600);
    try {
      const { pid, startTime } = await launch(["dnsmasq", ...this.#arguments()], [log, log]);
      this.#process = { pid, startTime };
      await writeAtomically(this.#recordPath, JSON.stringify(this.#process));
    } finally {
      closeSync(log);
    }
  }

  get isRunning(): boolean {
    return this.#process !== undefined && isAlive(this.#process);
  }

  /** Replaces all names: dnsmasq sees the new file and drops the names of the old one. */
  async setNames(addresses: ReadonlyMap<string, string>): Promise<void> {
    const lines = [...addresses].map(([name, address]) => `${address} ${name} ${name}.${domain}\n`);
    await this.#makeFolders();
    // dnsmasq reads every file of the folder, so the new one is written elsewhere.
    const draft = join(this.#options.directory, "names");
    await writeFile(draft, lines.join(""), { mode: 0o600 });
    await chown(draft, nobody, nobody);
    await rename(draft, join(this.#hosts, "names"));
  }

  async stop(): Promise<void> {
    const running = this.#process ?? (await this.#record());
    if (running) await endProcess(running);
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  /** Only dnsmasq, which runs as nobody, and root can read them. */
  async #makeFolders(): Promise<void> {
    const { directory } = this.#options;
    await mkdir(dirname(directory), { recursive: true });
    await chmod(dirname(directory), 0o711);
    await mkdir(this.#hosts, { recursive: true, mode: 0o700 });
    for (const folder of [directory, this.#hosts]) await chown(folder, nobody, nobody);
  }

  get #hosts(): string {
    return join(this.#options.directory, "hosts");
  }

  get #recordPath(): string {
    return join(this.#options.directory, "process.json");
  }

  async #record(): Promise<ProcessIdentity | undefined> {
    const text = await readFile(this.#recordPath, "utf8").catch(() => "null");
    return Identity.safeParse(JSON.parse(text)).data;
  }

  #arguments(): string[] {
    const { gateway, upstreams } = this.#options;
    return [
      ...[
        "--conf-file=/dev/null",
        "--keep-in-foreground",
        "--user=nobody",
        "--log-facility=-",
        "--pid-file=",
      ],
      ...[`--listen-address=${gateway}`, "--bind-interfaces", "--cache-size=1000"],
      ...["--no-hosts", `--hostsdir=${this.#hosts}`, `--local=/${domain}/`, `--local-ttl=${ttl}`],
      ...["--domain-needed", "--bogus-priv", "--stop-dns-rebind"],
      ...(upstreams.length > 0
        ? ["--no-resolv", ...upstreams.map((address) => `--server=${address}`)]
        : []),
    ];
  }
}
