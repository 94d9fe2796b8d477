import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "./database.ts";
import { NetworkTable } from "./networks.ts";

/** Users and sandboxes with nothing but their ids matter here. */
function withTable(work: (table: NetworkTable, sandbox: SandboxActions) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "bhatti-networks-"));
  const database = openDatabase(join(folder, "bhatti.db"));
  try {
    database.run("PRAGMA foreign_keys = OFF");
    const remove = database.prepare("DELETE FROM leases WHERE sandbox_id = ?");
    work(new NetworkTable(database), { remove: (id) => void remove.run(id) });
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
}

interface SandboxActions {
  /** As the row of a sandbox takes its lease with it. */
  remove(id: string): void;
}

test("a lease is kept, the lowest free place is next, and networks differ", () => {
  withTable((table, { remove }) => {
    expect(table.lease("ann", "a1")).toEqual({ network: 1, host: 0 });
    expect(table.lease("ann", "a2")).toEqual({ network: 1, host: 1 });
    expect(table.lease("bob", "b1")).toEqual({ network: 2, host: 0 });
    expect(table.lease("ann", "a1")).toEqual({ network: 1, host: 0 });
    expect(table.leaseOf("a3")).toBeUndefined();
    remove("a1");
    expect(table.leaseOf("a1")).toBeUndefined();
    expect(table.lease("ann", "a3")).toEqual({ network: 1, host: 0 });
    expect(table.lease("ann", "a4")).toEqual({ network: 1, host: 2 });
  });
});

test("no place is taken twice, whatever comes and goes", () => {
  withTable((table, { remove }) => {
    const held = new Map<string, number>();
    for (let step = 0; step < 1000; step += 1) {
      const id = `s${(step * 7919) % 41}`;
      if (held.delete(id)) remove(id);
      else held.set(id, table.lease("ann", id).host);
      expect(new Set(held.values()).size).toBe(held.size);
      expect(Math.max(-1, ...held.values())).toBeLessThan(41);
    }
  });
});

test("the range is kept", () => {
  withTable((table) => {
    expect(table.supernet).toBeUndefined();
    table.keepSupernet("10.208.0.0/12");
    expect(table.supernet).toBe("10.208.0.0/12");
  });
});
