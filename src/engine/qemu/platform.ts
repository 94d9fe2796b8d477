/** What this host gives the machines: QEMU, a kernel, an initramfs, an accelerator, a clock. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { agentBytes, extractAgent } from "../../agent/agent-binary.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { writeAtomically } from "../../host/atomic-file.ts";
import { run } from "../../host/process.ts";
import type { NicHost } from "../../network/host-networks.ts";
import { type AcceleratorChoice, chooseAccelerator } from "./accelerator.ts";
import type { Platform } from "./command-line.ts";
import { buildInitramfs } from "./initramfs.ts";
import { qemuBinary } from "./launcher.ts";
import type { EngineLog } from "./log.ts";
import type { EnginePaths } from "./paths.ts";
import { readRecordFile } from "./record-file.ts";

export interface PreparedPlatform extends Platform {
  /** Id of the host that owns the files of this engine. */
  hostId: string;
  /** The guest agent as a program of this host. */
  tool: string;
  /** Connects network cards; undefined where the host cannot have networks. */
  nics: NicHost | undefined;
  qemuVersion: string;
  acceleratorReason: string;
  /** The processor that guests see. */
  cpu: string;
  kernelDigest: string;
  initramfsDigest: string;
}

export interface PlatformOptions {
  hostId: string;
  paths: EnginePaths;
  /** Folder that `guest/kernel/prepare.ts` made. */
  kernel: string;
  accelerator: AcceleratorChoice;
  nics: NicHost | undefined;
  log: EngineLog;
  signal: AbortSignal;
}

/** Errors: host_unfit, with what is missing and how to get it. */
export async function preparePlatform(options: PlatformOptions): Promise<PreparedPlatform> {
  const { paths, signal } = options;
  const qemuVersion = await findQemu(signal);
  const kernel = await findKernel(options.kernel);
  await mkdir(paths.cache, { recursive: true });
  const initramfs = await writeInitramfs(paths.cache, join(options.kernel, "modules"));
  const tool = await extractAgent(paths.cache);
  const platform = {
    kernel: join(options.kernel, "vmlinux"),
    initramfs: initramfs.path,
    modules: join(options.kernel, "modules.img"),
    clockKHz: await measureClock(tool, paths.cache, signal),
  };
  const { accelerator, reason } = await chooseAccelerator({
    choice: options.accelerator,
    platform,
    cacheKey: [qemuVersion, kernel.digest, initramfs.digest],
    paths,
    log: options.log,
    signal,
  });
  return {
    ...platform,
    hostId: options.hostId,
    nics: options.nics,
    tool,
    accelerator,
    acceleratorReason: reason,
    cpu: accelerator === "kvm" ? await hostProcessor() : "emulated",
    qemuVersion,
    kernelDigest: kernel.digest,
    initramfsDigest: initramfs.digest,
  };
}

async function findQemu(signal: AbortSignal): Promise<string> {
  const { stdout } = await run([qemuBinary, "--version"], { signal }).catch((cause: unknown) => {
    throw new BhattiError("host_unfit", `Cannot run ${qemuBinary}`, {
      cause,
      hint: "Install it: apt-get install qemu-system-x86 qemu-utils",
    });
  });
  await run(["qemu-img", "--version"], { signal }).catch((cause: unknown) => {
    throw new BhattiError("host_unfit", "Cannot run qemu-img", {
      cause,
      hint: "Install it: apt-get install qemu-utils",
    });
  });
  const version = stdout.match(/version (\d+)\.(\d+)\S*/);
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
  if (!(major > 7 || (major === 7 && minor >= 2))) {
    throw new BhattiError(
      "host_unfit",
      `QEMU ${version?.[0] ?? "?"} is too old: requires 7.2 or newer`,
    );
  }
  return version?.[0].replace("version ", "") ?? "";
}

async function findKernel(folder: string): Promise<{ digest: string }> {
  const summary = z.object({ digest: z.string() });
  const kernel = await readRecordFile(join(folder, "kernel.json"), summary);
  if (!kernel) {
    throw new BhattiError("host_unfit", `No guest kernel in "${folder}"`, {
      hint: "Install one: make quickstart, or set `kernel` in the configuration",
    });
  }
  return kernel;
}

/** Named by its content, so that a machine that runs keeps the one it was started with. */
async function writeInitramfs(cache: string, modules: string) {
  const archive = await buildInitramfs(await agentBytes(), modules);
  const digest = createHash("sha256").update(archive).digest("hex");
  const path = join(cache, `initramfs-${digest.slice(0, 16)}`);
  if (!existsSync(path)) await writeAtomically(path, archive);
  return { path, digest };
}

/** kHz of the host's time-stamp counter, measured against its clock. */
async function measureClock(tool: string, cache: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await run([tool, "clock-rate"], { signal });
  const kHz = Number.parseInt(stdout, 10);
  if (!(kHz > 100_000 && kHz < 20_000_000)) {
    throw new BhattiError(
      "host_unfit",
      `The measured clock rate of the host is invalid: "${stdout.trim()}" kHz`,
    );
  }
  // Golden snapshots depend on it, so it must not change for less than the measurement's own error.
  const file = join(cache, "clock-rate");
  const before = Number(await readFile(file, "utf8").catch(() => ""));
  if (Math.abs(kHz / before - 1) < 0.0002) return before;
  await writeAtomically(file, String(kHz));
  return kHz;
}

/** Model and features of the first of the host's processors, cut short. */
async function hostProcessor(): Promise<string> {
  const [first = ""] = (await readFile("/proc/cpuinfo", "utf8")).split("\n\n");
  const field = (name: string) => first.match(new RegExp(`^${name}\\s*: (.*)$`, "m"))?.[1] ?? "";
  const features = createHash("sha256").update(field("flags")).digest("hex").slice(0, 8);
  return `${field("model name")} (${features})`;
}
