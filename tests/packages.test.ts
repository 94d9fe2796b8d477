/** scripts/packages.sh with apt, dpkg and the installed tools replaced by stubs. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");

interface Machine {
  user?: "root" | "nobody";
  /** Version by package: what apt's sources offer. */
  offered?: Record<string, string>;
  /** Output by command line prefix, such as "cargo --version"; other commands are not there. */
  commands?: Record<string, string>;
  /** Path by package that owns it. */
  owners?: Record<string, string>;
  /** Code name of a release whose package lists were never fetched. */
  release?: string;
}

const debian = Object.fromEntries(
  readFileSync(join(root, "scripts/packages.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.includes("@"))
    .map((line) => [line.split(" ")[0] ?? "", "1.0"]),
);
const web = { "cargo-web": "1.96.0+dfsg1-1~deb12u2", cargo: "0.66.0+ds1-1" };
const ubuntu = {
  cargo: "1.75.0+dfsg0ubuntu1",
  "cargo-1.76": "1.76.0",
  "cargo-1.83": "1.83.0",
  "cargo-1.82": "1.82.0",
};
const node = { "node --version": "v18.20.4", "npm --version": "9.2.0" };

const tools = [
  "bash",
  "cat",
  "cut",
  "date",
  "dirname",
  "grep",
  "head",
  "mkdir",
  "readlink",
  "sed",
  "sort",
  "tail",
  "awk",
];

/** Runs `ensure_packages PURPOSE`: its exit code, its messages and the calls of apt-get. */
async function ensure(purpose: string, machine: Machine) {
  const folder = mkdtempSync(join(tmpdir(), "bhatti-packages-"));
  const bin = join(folder, "bin");
  const stub = (name: string, body: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  const cases = (table: [string, string][]) =>
    `case "$*" in\n${table.map(([pattern, output]) => `'${pattern}') echo '${output}' ;;`).join("\n")}\n*) exit 1 ;;\nesac`;
  try {
    for (const path of [bin, join(folder, "guest/lohar"), join(folder, "lists")])
      mkdirSync(path, { recursive: true });
    cpSync(join(root, "scripts"), join(folder, "scripts"), { recursive: true });
    cpSync(join(root, "guest/lohar/Cargo.toml"), join(folder, "guest/lohar/Cargo.toml"));
    if (!machine.release) writeFileSync(join(folder, "lists/a_Packages"), "");
    writeFileSync(join(folder, "os-release"), `VERSION_CODENAME=${machine.release}\n`);
    for (const tool of tools) symlinkSync(Bun.which(tool) ?? "", join(bin, tool));
    const offered = Object.entries(machine.offered ?? {});
    const cargos = offered.map(([name]) => name).filter((name) => name.startsWith("cargo-1."));
    stub("id", `echo ${machine.user === "nobody" ? 65534 : 0}`);
    stub("apt-get", `echo "$*" >>${folder}/calls`);
    stub(
      "apt-cache",
      cases([
        ...offered.map(([name, version]): [string, string] => [
          `policy ${name}`,
          `  Candidate: ${version}`,
        ]),
        ["pkgnames cargo-1.", cargos.join("\n")],
      ]),
    );
    stub(
      "dpkg-query",
      cases(
        Object.entries(machine.owners ?? {}).map(([name, path]) => [
          `-S ${path.replace("BIN", bin)}`,
          `${name}: ${path}`,
        ]),
      ),
    );
    const commands = Object.entries(machine.commands ?? {});
    for (const name of new Set(commands.map(([line]) => line.split(" ")[0] ?? ""))) {
      const own = commands.filter(([line]) => line.startsWith(`${name} `));
      stub(name, cases(own.map(([line, output]) => [line.slice(name.length + 1), output])));
    }
    const child = Bun.spawn(
      [
        "bash",
        "-c",
        `source scripts/lib.sh; source scripts/packages.sh; PATH=$original_path; apt_lists=$PWD/lists; os_release=$PWD/os-release; ensure_packages ${purpose}`,
      ],
      { cwd: folder, env: { PATH: bin, HOME: folder }, stdout: "ignore", stderr: "pipe" },
    );
    const said = await new Response(child.stderr).text();
    const code = await child.exited;
    const calls = await Bun.file(join(folder, "calls"))
      .text()
      .catch(() => "");
    return { code, said, calls: calls.trim().split("\n") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const rootInstalls = "install -q -y --no-install-recommends";

test("the setup installs Debian 12's cargo-web with its linters, and nodejs with npm", async () => {
  const { code, calls } = await ensure("tests", { offered: { ...debian, ...web } });
  expect(code).toBe(0);
  expect(calls[0]).toBe("update -q");
  const installed = calls[1]?.slice(rootInstalls.length + 1).split(" ") ?? [];
  expect(installed).toEqual(
    expect.arrayContaining(["cargo-web", "rustfmt-web", "rust-web-clippy", "nodejs", "npm"]),
  );
  expect(installed.join(" ")).not.toContain("@");
});

test("the setup installs the newest versioned cargo of Ubuntu", async () => {
  const { code, calls } = await ensure("lint", { offered: { ...debian, ...ubuntu } });
  expect(code).toBe(0);
  expect(calls[1]?.split(" ")).toEqual(
    expect.arrayContaining(["cargo-1.83", "rustfmt-1.83", "rust-1.83-clippy"]),
  );
});

test("the setup installs plain cargo where it is new enough", async () => {
  const { calls } = await ensure("build", { offered: { ...debian, cargo: "1.85.0+dfsg3-1" } });
  const words = calls[1]?.split(" ") ?? [];
  expect(words).toContain("cargo");
  // Only tests and the linters use these.
  for (const name of ["rustfmt", "rust-clippy", "chromium", "tmux"])
    expect(words).not.toContain(name);
});

test("the setup leaves Node and rustup alone", async () => {
  const commands = { ...node, "cargo --version": "cargo 1.80.1 (376290515 2024-07-16)" };
  const { code, calls } = await ensure("build", { offered: { ...debian, ...web }, commands });
  expect(code).toBe(0);
  expect(calls[1]).not.toMatch(/cargo|rust|node|npm/);
});

test("the setup takes the linters from where cargo is from", async () => {
  const offered = { ...debian, ...web };
  const commands = { ...node, "cargo --version": "cargo 1.96.0" };
  const packaged = await ensure("lint", {
    offered,
    commands,
    owners: { "cargo-web": "BIN/cargo" },
  });
  expect(packaged.calls[1]).toContain(" rust-web-clippy rustfmt-web");
  const rustup = await ensure("lint", { offered, commands });
  expect(rustup.code).toBe(1);
  expect(rustup.said).toContain("cargo clippy: rustup component add clippy\n");
  expect(rustup.said).toContain("cargo rustfmt: rustup component add rustfmt\n");
});

test("the setup lists all that is missing in one message without root", async () => {
  const { code, said, calls } = await ensure("tests", {
    user: "nobody",
    offered: { ...debian, ...web },
  });
  expect(code).toBe(1);
  expect(calls).toEqual([""]);
  // Chromium may be on the machine that runs this test.
  expect(said.replace(" chromium", "")).toBe(
    `Missing packages. Install them, then try again:\n` +
      `  as root: apt-get update && apt-get install --no-install-recommends ca-certificates cargo-web ` +
      `debian-archive-keyring dnsmasq-base e2fsprogs gcc iproute2 kmod libc6-dev lz4 mmdebstrap nftables nodejs npm python3-venv qemu-system-x86 ` +
      `qemu-utils rust-web-clippy rustfmt-web tmux xz-utils\n`,
  );
});

test("the setup installs nothing while something is missing that no package provides", async () => {
  const { mmdebstrap: _, ...offered } = debian;
  const { code, said, calls } = await ensure("build", { offered: { ...offered, cargo: "0.66.0" } });
  expect(code).toBe(1);
  expect(calls).toEqual(["update -q"]);
  expect(said).toMatch(/as root: .*install .*gcc .*nodejs npm/);
  expect(said).toContain("cargo 1.80 or newer: install Rust: https://rustup.rs\n");
  expect(said).toContain("mmdebstrap: no apt source provides it\n");
});

test("the setup names an installed cargo that is too old, and keeps it", async () => {
  const commands = { ...node, "cargo --version": "cargo 1.65.0" };
  const { code, said } = await ensure("build", { offered: { ...debian, ...web }, commands });
  expect(code).toBe(1);
  expect(said).toMatch(
    /cargo 1\.80 or newer: \S+\/cargo is 1\.65\.0\. Update it \(rustup update stable\), or remove it\n/,
  );
  expect(said).not.toContain("cargo-web");
});

test("the setup knows Debian's names before apt-get update has run, and not Ubuntu's", async () => {
  const debian12 = await ensure("lint", { user: "nobody", release: "bookworm" });
  expect(debian12.code).toBe(1);
  expect(debian12.said).toMatch(
    /as root: apt-get update && apt-get install .* cargo-web .*gcc .*npm .*rust-web-clippy rustfmt-web/,
  );
  expect(debian12.said.trim().split("\n")).toHaveLength(2);
  const ubuntu24 = await ensure("lint", { user: "nobody", release: "noble" });
  expect(ubuntu24.said).toMatch(/as root: apt-get update && apt-get install .*gcc .*npm/);
  expect(ubuntu24.said).toContain(
    "cargo 1.80 or newer: run apt-get update to check for a package, or install Rust",
  );
});
