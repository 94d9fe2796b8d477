/** The whole store: one database, one object per table, and transactions over all of them. */
import { join } from "node:path";
import { explainingFullDisk, openDatabase } from "./database.ts";
import { EventTable } from "./events.ts";
import { hostIdOf } from "./host.ts";
import { ImageTable } from "./images.ts";
import { KeyTable } from "./keys.ts";
import { NetworkTable } from "./networks.ts";
import { OperationTable } from "./operations.ts";
import { SandboxTable } from "./sandboxes.ts";
import { ShareTable } from "./shares.ts";
import { SnapshotTable } from "./snapshots.ts";
import { TemplateTable } from "./templates.ts";
import { UserTable } from "./users.ts";

export interface Store extends Disposable {
  /** Id of the host that the rows and the files beside them belong to. */
  hostId: string;
  users: UserTable;
  keys: KeyTable;
  sandboxes: SandboxTable;
  snapshots: SnapshotTable;
  shares: ShareTable;
  templates: TemplateTable;
  images: ImageTable;
  networks: NetworkTable;
  operations: OperationTable;
  events: EventTable;
  /** Changes when another process has written. */
  version(): number;
  /** Runs `work` alone, also among processes: its reads still hold when it writes. All or nothing. */
  transaction<T>(work: () => T): T;
}

export function databasePath(dataDir: string): string {
  return join(dataDir, "bhatti.db");
}

export function openStore(path: string): Store {
  const database = openDatabase(path);
  const version = database.prepare<{ data_version: number }, []>("PRAGMA data_version");
  return {
    hostId: hostIdOf(database),
    users: new UserTable(database),
    keys: new KeyTable(database),
    sandboxes: new SandboxTable(database),
    snapshots: new SnapshotTable(database),
    shares: new ShareTable(database),
    templates: new TemplateTable(database),
    images: new ImageTable(database),
    networks: new NetworkTable(database),
    operations: new OperationTable(database),
    events: new EventTable(database),
    version: () => version.get()?.data_version ?? 0,
    transaction: (work) => explainingFullDisk(() => database.transaction(work).immediate()),
    [Symbol.dispose]: () => database.close(),
  };
}
