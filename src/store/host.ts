/** Whose data this is. */
import type { Database } from "bun:sqlite";
import { z } from "zod";

const HostRow = z.object({ id: z.string() });

/** The id that the database got when it was made: manifests carry it, and recovery removes only what does. */
export function hostIdOf(database: Database): string {
  return HostRow.parse(database.query("SELECT id FROM host").get()).id;
}
