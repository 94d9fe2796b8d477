/** Prepares the guest's kernel: `bun guest/kernel/prepare.ts DIRECTORY`. See README.md beside this file. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { run } from "../../src/host/process.ts";

/** In loading order; those that a kernel has built in are left out. */
const bootModules = [
  "virtio_ring",
  "virtio",
  "virtio_mmio",
  "virtio_blk",
  "virtio_console",
  "failover",
  "net_failover",
  "virtio_net",
  "virtio-rng",
  "virtio_balloon",
  // lohar ends the connections of a copied guest by these.
  "inet_diag",
  "tcp_diag",
  "udp_diag",
];
const metaPackages = ["linux-image-cloud-amd64", "linux-image-virtual"];

/** The versioned package that the distribution's meta package stands for. */
async function findKernelPackage(): Promise<string> {
  for (const meta of metaPackages) {
    const { stdout } = await run(["apt-cache", "depends", "--important", meta]).catch(() => ({
      stdout: "",
    }));
    const found = stdout.match(/Depends:\s*(linux-image-\d\S*)/)?.[1];
    if (found) return found;
  }
  throw new Error(
    `No kernel package found: none of ${metaPackages.join(", ")} is known to apt. Run apt-get update and check the sources`,
  );
}

async function unpack(packageName: string, root: string): Promise<void> {
  const download = join(root, "..", packageName);
  await mkdir(download);
  await run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", packageName], {
    cwd: download,
  });
  const [file = ""] = await readdir(download);
  await run(["dpkg-deb", "-x", join(download, file), root]);
}

/** The ELF image inside a bzImage, by the offsets in its boot header (Documentation/arch/x86/boot.rst). */
async function extractKernel(bzImage: Buffer, scratch: string): Promise<Uint8Array> {
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c));
  const kernel = await decompress(payload, scratch);
  if (kernel[0] !== 0x7f || kernel[1] !== 0x45) throw new Error("The kernel's payload is no ELF");
  return kernel;
}

async function decompress(data: Buffer, scratch: string): Promise<Uint8Array> {
  const magic = data.subarray(0, 4).toString("hex");
  if (magic.startsWith("1f8b")) return gunzipSync(data);
  if (magic === "28b52ffd") return Bun.zstdDecompressSync(data);
  const tool = magic === "fd377a58" ? "xz" : magic === "02214c18" ? "lz4" : undefined;
  if (!tool) throw new Error(`The kernel is compressed in an unknown way (magic ${magic})`);
  const packed = join(scratch, `payload.${tool}`);
  // The payload ends with the unpacked size as four bytes that are no part of the stream.
  await writeFile(packed, data.subarray(0, -4));
  await run([tool, "-d", "-f", packed, ...(tool === "lz4" ? [join(scratch, "payload")] : [])]);
  return readFile(join(scratch, "payload"));
}

async function copyBootModules(tree: string, destination: string): Promise<void> {
  const files = await readdir(tree, { recursive: true });
  const builtin = await readFile(join(tree, "modules.builtin"), "utf8");
  const order: string[] = [];
  await mkdir(destination);
  for (const name of bootModules) {
    const file = files.find((path) => new RegExp(`/${name}\\.ko(\\.zst|\\.xz)?$`).test(path));
    if (!file) {
      if (new RegExp(`/${name}\\.ko$`, "m").test(builtin)) continue;
      throw new Error(`The kernel has no module ${name}, and it is not built in`);
    }
    await writeFile(join(destination, `${name}.ko`), await moduleBytes(join(tree, file)));
    order.push(`${name}.ko`);
  }
  await writeFile(join(destination, "order"), `${order.join("\n")}\n`);
}

async function moduleBytes(path: string): Promise<Uint8Array> {
  if (path.endsWith(".zst")) return Bun.zstdDecompressSync(await readFile(path));
  if (!path.endsWith(".xz")) return readFile(path);
  const copy = join(await mkdtemp(join(tmpdir(), "bhatti-module-")), "module.ko.xz");
  await writeFile(copy, await readFile(path));
  await run(["xz", "-d", copy]);
  return readFile(copy.slice(0, -".xz".length));
}

/** A disk with the whole tree as it is found below /lib/modules, with room for nothing else. */
async function makeModulesDisk(tree: string, path: string): Promise<void> {
  const { stdout } = await run(["du", "-sm", tree]);
  const megabytes = Math.ceil(Number.parseInt(stdout, 10) * 1.15) + 8;
  await run([
    "mke2fs",
    "-q",
    "-t",
    "ext4",
    "-O",
    "^has_journal",
    "-m",
    "0",
    "-d",
    tree,
    path,
    `${megabytes}M`,
  ]);
}

/** Whether this very script has made it of this very package. */
async function isMadeBy(summary: string, packageName: string, recipe: string): Promise<boolean> {
  if (!existsSync(summary)) return false;
  const made = JSON.parse(await readFile(summary, "utf8"));
  return made.package === packageName && made.recipe === recipe;
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

async function prepare(destination: string): Promise<void> {
  const packageName = await findKernelPackage();
  const summary = join(destination, "kernel.json");
  const recipe = sha256(await readFile(import.meta.path));
  if (await isMadeBy(summary, packageName, recipe)) {
    console.log(`kernel: ${packageName} is ready`);
    return;
  }
  const scratch = await mkdtemp(join(tmpdir(), "bhatti-kernel-"));
  try {
    const root = join(scratch, "root");
    await mkdir(root);
    console.log(`kernel: fetching ${packageName}`);
    await unpack(packageName, root);
    const version = packageName.replace(/^linux-image-(unsigned-)?/, "");
    const modules = join(root, "lib/modules", version);
    if (!existsSync(modules)) await unpack(`linux-modules-${version}`, root);
    // The package makes its lists when it is installed, which this one never is.
    await run(["/sbin/depmod", "-b", root, version]);

    const fresh = join(scratch, "fresh");
    await mkdir(fresh);
    const bzImage = await readFile(join(root, "boot", `vmlinuz-${version}`));
    const kernel = await extractKernel(bzImage, scratch);
    await writeFile(join(fresh, "vmlinux"), kernel);
    await copyBootModules(modules, join(fresh, "modules"));
    await makeModulesDisk(join(root, "lib/modules"), join(fresh, "modules.img"));
    const digest = sha256(kernel);
    await writeFile(
      join(fresh, "kernel.json"),
      JSON.stringify({ package: packageName, recipe, version, digest }),
    );
    await rm(destination, { recursive: true, force: true });
    await mkdir(join(destination, ".."), { recursive: true });
    await run(["cp", "-r", "--sparse=always", fresh, `${destination}.new`]);
    await rename(`${destination}.new`, destination);
    console.log(`kernel: ${version} in ${destination}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const destination = process.argv[2];
if (!destination) throw new Error("usage: bun guest/kernel/prepare.ts DIRECTORY");
await prepare(resolve(destination));
