/** Takes a name for a new sandbox, within the user's limits: the checks and the row are one transaction. */
import type { MachineImage } from "../engine/machine-spec.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { expiryAfter } from "./expiry.ts";
import { newSandboxId, newSandboxName } from "./identifiers.ts";
import type { FoundImage, Images } from "./images.ts";
import { checkSandboxCount, checkSandboxSize } from "./quotas.ts";
import { checkPlan, diskSizeOn, type SandboxPlan } from "./sandbox-plan.ts";

export type Claim =
  | { kind: "existing"; sandbox: SandboxRecord }
  | { kind: "new"; sandbox: SandboxRecord; image: FoundImage };

export function claimSandbox(
  store: Store,
  images: Images,
  user: User,
  plan: SandboxPlan,
  now: number,
): Claim {
  return store.transaction(() => {
    const existing =
      plan.name === undefined ? undefined : store.sandboxes.byName(user.id, plan.name);
    if (existing) return { kind: "existing", sandbox: existing };
    const limits = store.users.byId(user.id);
    if (!limits) throw new BhattiError("unauthorized", "invalid api key");
    checkPlan(plan);
    checkSandboxSize(limits, plan);
    checkSandboxCount(limits, store.sandboxes.countOf(user.id));
    const image = images.require(user.id, plan.image);
    const sandbox = newRecord(user, plan, image.machine, diskSizeOn(plan, image.sizeMB));
    sandbox.expiresAt = expiryAfter(now, plan.ttlSeconds);
    sandbox.name = plan.name ?? freeName(store, user, plan.nameStem);
    store.sandboxes.insert(sandbox);
    return { kind: "new", sandbox, image };
  });
}

function newRecord(
  user: User,
  plan: SandboxPlan,
  image: MachineImage,
  diskSizeMB: number,
): SandboxRecord {
  return {
    id: newSandboxId(),
    userId: user.id,
    name: "",
    templateId: plan.templateId,
    status: "creating",
    statusReason: null,
    engineId: null,
    image: image.name,
    imageDigest: image.digest,
    cpus: plan.cpus,
    memoryMB: plan.memoryMB,
    diskSizeMB,
    env: plan.env,
    init: plan.init ?? null,
    keepHot: plan.keepHot,
    thermal: "hot",
    idleWarmSeconds: plan.idleWarmSeconds,
    idleColdSeconds: plan.idleColdSeconds,
    expiresAt: null,
    lastActiveAt: null,
    labels: plan.labels,
    createdAt: new Date().toISOString(),
    stoppedAt: null,
    destroyRequestedAt: null,
  };
}

function freeName(store: Store, user: User, stem: string): string {
  for (;;) {
    const name = newSandboxName(stem);
    if (!store.sandboxes.byName(user.id, name)) return name;
  }
}
