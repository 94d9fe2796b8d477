/** Who may import whom: folders import only the folders below them. The table is the rule. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** For everybody: they import nothing, or one another. */
const common = ["errors", "async", "version.ts"];

/**
 * Folder → what it may import besides itself and what is common. An entry may name one file of a folder. The most
 * specific line counts.
 */
const layers: Record<string, readonly string[]> = {
  "main.ts": ["cli"],
  cli: ["client", "contract", "config"],
  client: ["contract"],
  contract: [],
  daemon: [
    ...["server", "services", "store", "contract", "config", "host", "observability", "engine"],
    "network",
  ],
  operator: ["services", "store", "host", "observability"],
  server: ["contract", "services", "observability", "server/web"],
  "server/web": ["contract"],
  services: [
    "contract/deadlines.ts",
    "contract/limits.ts",
    "contract/login-shell.ts",
    "contract/operation-kinds.ts",
    "contract/operation-outcome.ts",
    "contract/sandbox-traits.ts",
    "engine/engine.ts",
    "engine/machine-config.ts",
    "engine/machine-spec.ts",
    "network/ipv4.ts",
    "network/plan.ts",
    "agent/guest.ts",
    "agent/guest-files.ts",
    "agent/guest-sessions.ts",
    "store",
    "observability",
  ],
  store: [
    "contract/operation-kinds.ts",
    "contract/operation-outcome.ts",
    "contract/sandbox-traits.ts",
  ],
  images: ["disks", "host"],
  disks: ["host"],
  engine: ["agent"],
  "engine/qemu": ["engine", "agent", "disks", "host", "network"],
  network: ["host", "engine/machine-config.ts"],
  "engine/fake": ["engine", "agent", "host"],
  agent: ["host"],
  config: ["network/ipv4.ts"],
  observability: [],
  host: [],
  errors: [],
  async: [],
  "version.ts": [],
};

/** By `await import()` or as types alone, so that the command line starts without them. */
const deferred: Record<string, readonly string[]> = {
  cli: ["daemon", "operator", "images", "observability"],
  daemon: ["engine/qemu", "engine/fake"],
};

const source = join(import.meta.dir, "../src");

interface Import {
  file: string;
  target: string;
  isDeferred: boolean;
}

function importsOf(file: string, text: string): Import[] {
  return [...text.matchAll(/(import type[^;"]*from|from|import|import\()\s*"(\.\.?\/[^"]*)"/g)].map(
    ([, keyword, path = ""]) => ({
      file,
      target: relative(source, join(source, dirname(file), path)),
      isDeferred: keyword !== "from" && keyword !== "import",
    }),
  );
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function layerOf(path: string): string {
  const fitting = Object.keys(layers).filter((layer) => isWithin(path, layer));
  return fitting.toSorted((a, b) => b.length - a.length)[0] ?? "";
}

function isAllowed({ file, target, isDeferred }: Import): boolean {
  const layer = layerOf(file);
  const allowed = [
    layer,
    ...common,
    ...(layers[layer] ?? []),
    ...(isDeferred ? (deferred[layer] ?? []) : []),
  ];
  // `engine` does not stand for the layers inside it, such as `engine/qemu`.
  return allowed.some((entry) => isWithin(target, entry) && layerOf(target) === layerOf(entry));
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !/\.(test|d)\.ts$/.test(file),
);

test("every file belongs to a layer", () => {
  expect(files.filter((file) => layerOf(file) === "")).toEqual([]);
});

const found = files.flatMap((file) => importsOf(file, readFileSync(join(source, file), "utf8")));

test("folders import only what is below them", () => {
  expect(found.length).toBeGreaterThan(200);
  const inSource = found.filter(({ target }) => !target.startsWith(".."));
  const wrong = inSource.filter((one) => !isAllowed(one));
  expect(wrong.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
});

test("every line of the table is needed", () => {
  const stale = [
    ...unused(layers, () => true),
    ...unused(deferred, ({ isDeferred }) => isDeferred),
  ];
  expect(stale).toEqual([]);
});

function unused(table: Record<string, readonly string[]>, counts: (one: Import) => boolean) {
  return Object.entries(table).flatMap(([layer, entries]) =>
    entries
      .filter((entry) => !found.some((one) => counts(one) && uses(one, layer, entry)))
      .map((entry) => `${layer}: ${entry}`),
  );
}

function uses({ file, target }: Import, layer: string, entry: string): boolean {
  return layerOf(file) === layer && isWithin(target, entry) && layerOf(target) === layerOf(entry);
}

test.each([
  ["server/app.ts", 'import { x } from "../store/users.ts";'],
  ["services/x.ts", 'import type { X } from "../engine/qemu/qmp.ts";'],
  ["services/x.ts", 'const x = await import("../agent/line.ts");'],
  ["cli/x.ts", 'import { startDaemon } from "../daemon/daemon.ts";'],
  ["contract/x.ts", 'import "../server/server.ts";'],
  ["engine/engine.ts", 'import { y } from "./qemu/boot.ts";'],
])("a wrong import in %s is seen: %s", (file, text) => {
  expect(importsOf(file, text).map(isAllowed)).toEqual([false]);
});
