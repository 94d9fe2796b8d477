/** The owner of the data. */
import type { Database } from "bun:sqlite";
import { z } from "zod";

const HostRow = z.object({ id: z.string() });

/** The id of the database: recovery removes only files whose manifest carries it. */
export function hostIdOf(database: Database): string {
  return HostRow.parse(database.query("SELECT id FROM host").get()).id;
}
