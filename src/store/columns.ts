/** Describes a table's columns once: the schema of its rows, the type of its records and its INSERT derive from that. */
import type { Database } from "bun:sqlite";
import { z } from "zod";

type SqlValue = string | number | null;

export interface Column<T> {
  /** In the table. */
  name: string;
  /** From the value that SQLite has. */
  schema: z.ZodType<T>;
  toSql(value: T): SqlValue;
}

// biome-ignore lint/suspicious/noExplicitAny: columns of every type stand side by side
type Columns = Record<string, Column<any>>;
export type RecordOf<C extends Columns> = {
  [K in keyof C]: C[K] extends Column<infer T> ? T : never;
};

export const text = (name: string): Column<string> => plain(name, z.string());
export const whole = (name: string): Column<number> => plain(name, z.int());
export const real = (name: string): Column<number> => plain(name, z.number());

export function choice<const T extends string>(name: string, values: readonly T[]): Column<T> {
  return plain(name, z.enum(values)) as unknown as Column<T>;
}

/** SQLite has no booleans. */
export const flag = (name: string): Column<boolean> => ({
  name,
  schema: z.int().transform((stored) => stored === 1),
  toSql: (value) => (value ? 1 : 0),
});

/** A value that is stored as JSON. */
export const json = <T>(name: string, value: z.ZodType<T>): Column<T> => ({
  name,
  schema: z.string().transform((stored) => value.parse(JSON.parse(stored))),
  toSql: (parsed) => JSON.stringify(parsed),
});

export const textMap = (name: string): Column<Record<string, string>> =>
  json(name, z.record(z.string(), z.string()));

export function nullable<T>({ name, schema, toSql }: Column<T>): Column<T | null> {
  return {
    name,
    schema: schema.nullable(),
    toSql: (value) => (value === null ? null : toSql(value)),
  };
}

function plain<T extends string | number>(name: string, schema: z.ZodType<T>): Column<T> {
  return { name, schema, toSql: (value) => value };
}

export class Records<C extends Columns> {
  readonly #columns: C;
  readonly #schema: z.ZodType<RecordOf<C>>;

  constructor(columns: C) {
    const keys = Object.entries(columns);
    const row = z.object(Object.fromEntries(keys.map(([, { name, schema }]) => [name, schema])));
    this.#columns = columns;
    this.#schema = row.transform(
      (values) =>
        Object.fromEntries(keys.map(([key, { name }]) => [key, values[name]])) as RecordOf<C>,
    );
  }

  /** The same records without some columns, for queries that need not read those. */
  without<K extends keyof C>(...keys: K[]): Records<Omit<C, K>> {
    const kept = Object.entries(this.#columns).filter(([key]) => !keys.includes(key as K));
    return new Records(Object.fromEntries(kept) as Omit<C, K>);
  }

  /** Of the columns, for a SELECT. */
  get names(): string {
    return Object.values(this.#columns)
      .map(({ name }) => name)
      .join(", ");
  }

  parse(row: unknown): RecordOf<C> {
    return this.#schema.parse(row);
  }

  /** From a `get`, which may have found nothing. */
  found(row: unknown): RecordOf<C> | undefined {
    return row ? this.parse(row) : undefined;
  }

  /** A function that inserts one record. It throws as SQLite does. */
  inserter(database: Database, table: string): (record: RecordOf<C>) => void {
    const names = Object.values(this.#columns).map(({ name }) => name);
    const insert = database.prepare(
      `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map((name) => `$${name}`).join(", ")})`,
    );
    return (record) => void insert.run(this.#bound(record, Object.keys(this.#columns)));
  }

  /** A function that updates those columns of the record with that id, and says whether it was there. */
  updater<K extends keyof C & string>(
    database: Database,
    table: string,
    keys: readonly K[],
  ): (id: string, change: Pick<RecordOf<C>, K>) => boolean {
    const names = keys.map((key) => this.#columns[key]?.name);
    const set = names.map((name) => `${name} = $${name}`).join(", ");
    const update = database.prepare(`UPDATE ${table} SET ${set} WHERE id = $id`);
    return (id, change) => update.run({ ...this.#bound(change, keys), id }).changes === 1;
  }

  #bound(record: object, keys: readonly string[]): Record<string, SqlValue> {
    const values = record as Record<string, unknown>;
    return Object.fromEntries(
      keys.map((key) => {
        const column = this.#columns[key];
        if (!column) throw new Error(`there is no column for "${key}"`);
        return [column.name, column.toSql(values[key])];
      }),
    );
  }
}
