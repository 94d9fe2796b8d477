/**
 * The host's side of network cards: a tap for each machine, a bridge for each network that has machines, and the packet
 * filter. The names of all of them carry the id of the host, so that two data directories do not meet.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NicConfig } from "../engine/machine-config.ts";
import { messageOf } from "../errors/bhatti-error.ts";
import { run } from "../host/process.ts";
import { ip, linkExists, linksNamed, toolMs } from "./links.ts";
import { Resolver } from "./resolver.ts";
import {
  addGuest,
  addNetwork,
  type Guest,
  type Names,
  type Network,
  noRuleset,
  ruleset,
} from "./ruleset.ts";

/** What an engine needs of it. */
export interface NicHost {
  /** Creates the tap of a machine, connected to nothing; returns its name. Idempotent. */
  create(machine: string): Promise<string>;
  has(machine: string): boolean;
  /** Joins the tap to the network of the card. Idempotent. */
  connect(machine: string, nic: NicConfig): Promise<void>;
  /** Removes the tap, and the bridge with its last tap. Idempotent. */
  remove(machine: string): Promise<void>;
}

const forwarding = "/proc/sys/net/ipv4/ip_forward";

/** A resolver that has died is started again after this time at most. */
const superviseMs = 5000;

export interface HostNetworksOptions {
  hostId: string;
  /** For the files of resolvers. */
  directory: string;
  /** Name servers for public names; those of the host when empty. */
  upstreams: readonly string[];
  log: { warn(message: string, fields?: Record<string, unknown>): void };
}

interface Connected {
  guest: Guest;
  network: Network;
}

export class HostNetworks implements NicHost, AsyncDisposable {
  readonly #options: HostNetworksOptions;
  readonly #names: Names;
  readonly #prefix: string;
  /** By tap. */
  readonly #connected = new Map<string, Connected>();
  /** By bridge. */
  readonly #resolvers = new Map<string, Resolver>();
  /** Addresses by name, by the index of the network. */
  readonly #namesOf = new Map<number, ReadonlyMap<string, string>>();
  readonly #supervision: NodeJS.Timeout;
  /** Changes of bridges and of the packet filter, one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: HostNetworksOptions) {
    this.#options = options;
    const tag = options.hostId.replace(/^host_/, "").slice(0, 4);
    this.#prefix = `bh${tag}`;
    this.#names = { table: `bhatti_${tag}`, tapPrefix: `${this.#prefix}t` };
    this.#supervision = setInterval(() => void this.#supervise(), superviseMs).unref();
  }

  /** Throws CommandError or a system error where the host cannot have networks. */
  static async open(options: HostNetworksOptions): Promise<HostNetworks> {
    await run(["dnsmasq", "--version"]);
    if ((await readFile(forwarding, "utf8")).trim() !== "1") await writeFile(forwarding, "1");
    const networks = new HostNetworks(options);
    // The rules of machines that outlived an earlier daemon stay until they are adopted.
    if (!(await networks.#hasFilter())) await networks.#filter(ruleset(networks.#names, [], []));
    return networks;
  }

  /** Takes the packet filter away with the last machine; networks with machines stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#supervision);
    await this.#alone(async () => {
      if (this.#connected.size === 0) await this.#filter(noRuleset(this.#names));
    });
  }

  /** Sets the names that the resolver of a network knows, with their addresses. */
  async setNames(index: number, names: ReadonlyMap<string, string>): Promise<void> {
    this.#namesOf.set(index, names);
    await this.#alone(async () => this.#resolvers.get(this.#bridgeOf(index))?.setNames(names));
  }

  /** Interfaces of its networks and machines begin with it. */
  get linkPrefix(): string {
    return this.#prefix;
  }

  async create(machine: string): Promise<string> {
    const tap = this.#tapOf(machine);
    if (!linkExists(tap)) await ip(`tuntap add dev ${tap} mode tap`, `link set dev ${tap} up`);
    return tap;
  }

  has(machine: string): boolean {
    return linkExists(this.#tapOf(machine));
  }

  async connect(machine: string, nic: NicConfig): Promise<void> {
    const tap = this.#tapOf(machine);
    const { index, subnet, gateway } = nic.network;
    const network = { bridge: this.#bridgeOf(index), subnet, gateway };
    const guest = { tap, mac: nic.mac, address: nic.address };
    await this.#alone(async () => {
      const isFirst = !this.#hasMachines(network.bridge);
      // `remove` undoes every step from here on.
      this.#connected.set(tap, { guest, network });
      if (isFirst) await this.#addNetwork(index, network);
      await Promise.all([
        this.#filter(addGuest(this.#names, guest)),
        ip(
          `link set dev ${tap} master ${network.bridge}`,
          // An address may have been another machine's a moment ago.
          `neighbour replace ${nic.address} lladdr ${nic.mac} dev ${network.bridge}`,
        ),
      ]);
    });
  }

  async remove(machine: string): Promise<void> {
    const tap = this.#tapOf(machine);
    await this.#alone(async () => {
      const connected = this.#connected.get(tap);
      this.#connected.delete(tap);
      await this.#removeLink(tap);
      if (!connected) return;
      const { bridge } = connected.network;
      if (!this.#hasMachines(bridge)) await this.#removeNetwork(bridge);
      await this.#filter(this.#ruleset());
    });
  }

  /** Removes the interfaces of machines that are gone, and sets all rules anew. For the end of recovery. */
  async reconcile(): Promise<void> {
    await this.#alone(async () => {
      for (const link of await linksNamed(this.#prefix)) {
        if (this.#connected.has(link) || this.#resolvers.has(link)) continue;
        await new Resolver({
          ...this.#options,
          directory: join(this.#options.directory, link),
          gateway: "",
        }).stop();
        await this.#removeLink(link);
      }
      await this.#filter(this.#ruleset());
    });
  }

  #tapOf(machine: string): string {
    return `${this.#names.tapPrefix}${machine.slice(0, 8)}`;
  }

  #bridgeOf(index: number): string {
    return `${this.#prefix}b${index}`;
  }

  #hasMachines(bridge: string): boolean {
    return [...this.#connected.values()].some(({ network }) => network.bridge === bridge);
  }

  async #addNetwork(index: number, network: Network): Promise<void> {
    const { bridge, gateway, subnet } = network;
    const type = "type bridge stp_state 0 mcast_snooping 0";
    await ip(
      ...(linkExists(bridge)
        ? []
        : [`link add name ${bridge} address ${hardwareAddressOf(gateway)} ${type}`]),
      `address replace ${gateway}/${subnet.split("/")[1]} dev ${bridge}`,
      `link set dev ${bridge} up`,
    );
    await writeFile(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, "1").catch(() => {}); // a host without IPv6
    await this.#filter(addNetwork(this.#names, network));
    const { directory, upstreams } = this.#options;
    const resolver = new Resolver({ directory: join(directory, bridge), gateway, upstreams });
    this.#resolvers.set(bridge, resolver);
    await resolver.setNames(this.#namesOf.get(index) ?? new Map());
    await resolver.start();
  }

  async #removeNetwork(bridge: string): Promise<void> {
    await this.#resolvers.get(bridge)?.stop();
    this.#resolvers.delete(bridge);
    await this.#removeLink(bridge);
  }

  async #supervise(): Promise<void> {
    await this.#alone(async () => {
      for (const [bridge, resolver] of this.#resolvers) {
        if (resolver.isRunning) continue;
        this.#options.log.warn("the resolver of a network died, starting it again", { bridge });
        await resolver.start();
      }
    }).catch((error) => {
      this.#options.log.warn("cannot start the resolver of a network", { error: messageOf(error) });
    });
  }

  async #hasFilter(): Promise<boolean> {
    return await run(["nft", "list", "table", "bridge", this.#names.table]).then(
      () => true,
      () => false,
    );
  }

  async #removeLink(name: string): Promise<void> {
    if (linkExists(name)) await ip(`link delete dev ${name}`);
  }

  #ruleset(): string {
    const connected = [...this.#connected.values()];
    const networks = new Map(connected.map(({ network }) => [network.bridge, network]));
    return ruleset(
      this.#names,
      [...networks.values()],
      connected.map(({ guest }) => guest),
    );
  }

  async #filter(commands: string): Promise<void> {
    const script = 'printf "%s\\n" "$1" | nft -f -';
    await run(["sh", "-c", script, "nft", commands], { signal: AbortSignal.timeout(toolMs) });
  }

  #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** The same whenever the bridge is made again: guests that slept remember it. */
function hardwareAddressOf(gateway: string): string {
  const bytes = gateway.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `52:54:${bytes.join(":")}`;
}
