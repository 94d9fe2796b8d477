/** The tables of private networks: one for each user, and the places of sandboxes in them. */
import type { Database } from "bun:sqlite";

export interface Lease {
  /** Number of the user's network, from 1. */
  network: number;
  /** Number of the place in it, from 0. */
  host: number;
}

/** A sandbox's place in its user's network. */
export interface Place extends Lease {
  /** Of the sandbox. */
  name: string;
}

export class NetworkTable {
  readonly #supernet;
  readonly #keepSupernet;
  readonly #network;
  readonly #addNetwork;
  readonly #lease;
  readonly #addLease;
  readonly #places;

  constructor(database: Database) {
    this.#supernet = database.prepare<{ supernet: string | null }, []>("SELECT supernet FROM host");
    this.#keepSupernet = database.prepare("UPDATE host SET supernet = ?");
    this.#network = database.prepare<{ number: number }, [string]>(
      "SELECT number FROM networks WHERE user_id = ?",
    );
    this.#addNetwork = database.prepare(
      `INSERT INTO networks (user_id, number)
       SELECT ?, min(number) FROM (
         SELECT 1 AS number UNION ALL SELECT number + 1 FROM networks
       ) WHERE number NOT IN (SELECT number FROM networks)`,
    );
    this.#lease = database.prepare<Lease, [string]>(
      `SELECT number AS network, host FROM leases JOIN networks USING (user_id) WHERE sandbox_id = ?`,
    );
    this.#places = database.prepare<Place, [string]>(
      `SELECT sandboxes.name AS name, number AS network, host FROM leases
       JOIN networks USING (user_id) JOIN sandboxes ON sandboxes.id = sandbox_id
       WHERE leases.user_id = ? AND destroy_requested_at IS NULL`,
    );
    this.#addLease = database.prepare(
      `INSERT INTO leases (sandbox_id, user_id, host)
       SELECT $sandbox, $user, min(host) FROM (
         SELECT 0 AS host UNION ALL SELECT host + 1 FROM leases WHERE user_id = $user
       ) WHERE host NOT IN (SELECT host FROM leases WHERE user_id = $user)`,
    );
  }

  /** The range that was chosen for all networks. */
  get supernet(): string | undefined {
    return this.#supernet.get()?.supernet ?? undefined;
  }

  keepSupernet(range: string): void {
    this.#keepSupernet.run(range);
  }

  /** The places of all of the user's sandboxes that have one. */
  placesOf(userId: string): Place[] {
    return this.#places.all(userId);
  }

  leaseOf(sandboxId: string): Lease | undefined {
    return this.#lease.get(sandboxId) ?? undefined;
  }

  /** The sandbox's lease; takes the lowest free network and place for one without. Call it in a transaction. */
  lease(userId: string, sandboxId: string): Lease {
    const lease = this.leaseOf(sandboxId);
    if (lease) return lease;
    if (!this.#network.get(userId)) this.#addNetwork.run(userId);
    this.#addLease.run({ sandbox: sandboxId, user: userId });
    const taken = this.#lease.get(sandboxId);
    if (!taken) throw new Error(`Sandbox ${sandboxId} got no lease`);
    return taken;
  }
}
