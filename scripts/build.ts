/**
 * Builds dist/bhatti: the CLI and the daemon as one binary. Runs alone: `bun scripts/build.ts [--faults] [outfile]`.
 * With `--faults` it is one for tests, whose daemon ends at the points that src/async/fault-point.ts tells of.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { shellAssets } from "../src/server/web/assets.ts";

const root = resolve(import.meta.dirname, "..");
const words = process.argv.slice(2);
const hasFaults = words[0] === "--faults";
const outfile = resolve(words[hasFaults ? 1 : 0] ?? join(root, "dist/bhatti"));

/** Without the agent, all but virtual machines works: enough for tests on a machine that has no Rust. */
const agentIfBuilt: Bun.BunPlugin = {
  name: "agent-if-built",
  setup(build) {
    build.onResolve({ filter: /guest\/lohar\/target\/.*lohar$/ }, ({ path, importer }) => {
      const agent = resolve(dirname(importer), path);
      if (existsSync(agent)) return { path: agent };
      console.error(`${agent} has not been built: this bhatti can't run virtual machines`);
      writeFileSync(noAgent, "");
      return { path: noAgent };
    });
  },
};

/**
 * The page of the web shell goes in as it is sent: a binary has neither its source nor a use for a bundler. It is made
 * first: a build that is started from within another one waits for it for ever, now and then (seen in Bun 1.4.5).
 */
const page = JSON.stringify(await shellAssets());
const finishedPage: Bun.BunPlugin = {
  name: "finished-page",
  setup(build) {
    build.onLoad({ filter: /src\/server\/web\/assets\.ts$/ }, () => ({
      contents: `const made = ${page};
        export const shellAssets = async () => made;`,
      loader: "js",
    }));
  },
};

mkdirSync(dirname(outfile), { recursive: true });
const noAgent = `${outfile}.${process.pid}.no-agent`;
// A name of its own first: a running bhatti keeps its file, and nobody ever sees half a binary.
const unfinished = `${outfile}.${process.pid}.tmp`;
try {
  const result = await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    compile: {
      outfile: unfinished,
      // What lies in the folder that a user happens to stand in must not change what bhatti does.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    plugins: [agentIfBuilt, finishedPage],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    // Without it every dynamically imported module would be loaded at start: 15 ms instead of 7.
    splitting: true,
    sourcemap: "none",
    define: {
      BHATTI_VERSION: JSON.stringify(manifest.version),
      BHATTI_FAULTS: String(hasFaults),
    },
  });
  if (!result.success) throw new AggregateError(result.logs, "the build failed");
  renameSync(unfinished, outfile);
} catch (error) {
  const causes = error instanceof AggregateError ? error.errors : [error];
  for (const cause of causes) console.error(String(cause));
  process.exitCode = 1;
} finally {
  rmSync(unfinished, { force: true });
  rmSync(noAgent, { force: true });
}
