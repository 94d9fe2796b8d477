/**
 * KVM only where a guest really boots on it: `/dev/kvm` may exist, and make a VM, and still hang every guest. So one
 * tiny guest is booted with a time limit, and the answer is kept until the host restarts or a part changes.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { connectGuest } from "../../agent/lohar.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import { writeAtomically } from "../../host/atomic-file.ts";
import type { Platform } from "./command-line.ts";
import { qemuArguments } from "./command-line.ts";
import { launchQemu, quitQemu } from "./launcher.ts";
import type { EngineLog } from "./log.ts";
import type { EnginePaths } from "./paths.ts";
import { readRecordFile } from "./record-file.ts";

export type AcceleratorChoice = "auto" | "kvm" | "tcg";

const AcceleratorAnswer = z.object({ accelerator: z.enum(["kvm", "tcg"]), reason: z.string() });
export type AcceleratorAnswer = z.infer<typeof AcceleratorAnswer>;
const CachedAnswer = z.object({ key: z.string(), answer: AcceleratorAnswer });

/** A guest under KVM answers in well under a second. */
const probeDeadlineMs = 4_000;
const probeMemoryMB = 256;

interface Question {
  choice: AcceleratorChoice;
  platform: Omit<Platform, "accelerator">;
  /** Whatever the answer depends on, beside the host itself. */
  cacheKey: string[];
  paths: EnginePaths;
  log: EngineLog;
  signal: AbortSignal;
}

export async function chooseAccelerator(question: Question): Promise<AcceleratorAnswer> {
  if (question.choice === "tcg") return { accelerator: "tcg", reason: "set in the configuration" };
  const answer = await cachedProbe(question);
  if (question.choice === "kvm" && answer.accelerator !== "kvm") {
    throw new BhattiError("host_unfit", `The configuration requires KVM, but ${answer.reason}`, {
      hint: "Set `accelerator: auto` to fall back to TCG",
    });
  }
  return answer;
}

async function cachedProbe(question: Question): Promise<AcceleratorAnswer> {
  if (!existsSync("/dev/kvm")) return { accelerator: "tcg", reason: "/dev/kvm does not exist" };
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
  const key = [bootId.trim(), ...question.cacheKey].join(" ");
  const file = join(question.paths.cache, "accelerator.json");
  const cached = await readRecordFile(file, CachedAnswer).catch(() => undefined);
  if (cached?.key === key) return cached.answer;
  question.log.info("testing whether a guest boots with KVM", { deadline_ms: probeDeadlineMs });
  const answer = await probe(question);
  await writeAtomically(file, JSON.stringify({ key, answer }));
  return answer;
}

async function probe(question: Question): Promise<AcceleratorAnswer> {
  await mkdir(question.paths.runtime, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(question.paths.runtime, "probe-"));
  try {
    await bootOnce(question, directory);
    return { accelerator: "kvm", reason: "a guest booted with KVM" };
  } catch (error) {
    if (question.signal.aborted) throw error;
    return { accelerator: "tcg", reason: `no guest boots with KVM: ${messageOf(error)}` };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function bootOnce(question: Question, directory: string): Promise<void> {
  const file = (name: string) => join(directory, name);
  await writeFile(file("ram"), "");
  await truncate(file("ram"), probeMemoryMB * 1024 * 1024);
  const vmm = await launchQemu(
    {
      arguments: qemuArguments({
        platform: { ...question.platform, accelerator: "kvm" },
        cpus: 1,
        memoryMB: probeMemoryMB,
        ram: file("ram"),
        root: { kind: "none" },
        qmpSocket: file("qmp"),
        agentSocket: file("agent"),
        card: { kind: "none" },
        incoming: false,
      }),
      qmpSocket: file("qmp"),
      log: file("log"),
      pidFile: file("pid"),
    },
    question.signal,
  );
  try {
    const guest = await connectGuest(file("agent"), {
      signal: question.signal,
      timeoutMs: probeDeadlineMs,
    });
    guest.close();
  } finally {
    await quitQemu(vmm);
  }
}
