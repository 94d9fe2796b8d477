import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { databasePath } from "../store/store.ts";
import { openOperator } from "./operator.ts";

test("an operation of the operator succeeds with a warning although no event can be stored", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "bhatti-test-"));
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  {
    using operator = await openOperator(dataDir, { create: true, warn });
    using database = new Database(databasePath(dataDir));
    database.run(
      "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'disk is full'); END",
    );
    const operation = operator.operations.accept({
      kind: "image.build",
      userId: null,
      target: { kind: "image", id: null, name: "tiny" },
      size: { memoryMB: 0 },
    });
    const built = { image: "tiny", size_mb: 1, source: "recipe:0" };
    const { outcome } = operation.run(
      undefined,
      async () => built,
      (made) => made,
    );
    expect(await outcome).toEqual(built);
    await operation.ended;
    expect(operation.record.state).toBe("succeeded");
  }
  rmSync(dataDir, { recursive: true });
  expect(warnings).toEqual(["cannot store events: disk is full"]);
});
