/** The private networks of users: which network and address each sandbox has, and under which names. */
import type { NicConfig } from "../engine/machine-config.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { formatRange, type Range } from "../network/ipv4.ts";
import { addressIn, hostsPerNetwork, networkPlan } from "../network/plan.ts";
import type { Event, EventType } from "../observability/events.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { hardwareAddressOf } from "./identifiers.ts";
import { hostNameOf } from "./sandbox-identity.ts";

export interface NetworksOptions {
  store: Store;
  /** The range that all networks are taken from. */
  supernet: Range;
  /** Sets the names that are resolved in a network, with their addresses. */
  setNames(network: number, names: ReadonlyMap<string, string>): void;
}

/** After these a user's sandboxes have other names than before. */
const changes: readonly EventType[] = ["sandbox.created", "sandbox.updated", "sandbox.destroyed"];

export class Networks {
  readonly #options: NetworksOptions;

  constructor(options: NetworksOptions) {
    this.#options = options;
  }

  /** The network card of the sandbox; its lease lasts until the sandbox is destroyed. Errors: network_full. */
  nicOf({ id, userId }: Pick<SandboxRecord, "id" | "userId">): NicConfig {
    const { store, supernet } = this.#options;
    const { network, host } = store.transaction(() => store.networks.lease(userId, id));
    const plan = networkPlan(supernet, network);
    if (!plan) {
      throw full(`the range ${formatRange(supernet)} has no network left for another user`);
    }
    if (host >= hostsPerNetwork) throw full(`${plan.subnet} has no free address`);
    this.#publish(userId);
    return {
      network: { index: network, ...plan },
      mac: hardwareAddressOf(id),
      address: addressIn(plan.subnet, host),
    };
  }

  /** Undefined for a sandbox that never started with a network. */
  addressOf(id: string): string | undefined {
    const lease = this.#options.store.networks.leaseOf(id);
    const plan = lease && networkPlan(this.#options.supernet, lease.network);
    return plan && addressIn(plan.subnet, lease.host);
  }

  /** Keeps the names of networks up to date. */
  onEvent({ type, userId }: Event): void {
    if (userId !== undefined && changes.includes(type)) this.#publish(userId);
  }

  #publish(userId: string): void {
    const { store, supernet, setNames } = this.#options;
    const places = store.networks.placesOf(userId);
    const [first] = places;
    const plan = first && networkPlan(supernet, first.network);
    if (!plan) return;
    const names = places.map(({ name, host }) => [hostNameOf(name), addressIn(plan.subnet, host)]);
    setNames(first.network, new Map(names as [string, string][]));
  }
}

function full(what: string): BhattiError {
  return new BhattiError("network_full", `Cannot give the sandbox an address: ${what}`);
}
