/** Takes names for new sandboxes, within the user's limits: the checks and the rows are one transaction. */
import { type SandboxTraits, traitsOf } from "../contract/sandbox-traits.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { isUniqueViolation } from "../store/database.ts";
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

/** The settings of a sandbox, with the image that its disk was made of and its end. */
export type CopyModel = SandboxTraits & Pick<SandboxRecord, "imageDigest" | "expiresAt">;

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
    const limits = limitsOf(store, user);
    checkPlan(plan);
    checkSandboxSize(limits, plan);
    checkSandboxCount(limits, store.sandboxes.countOf(user.id));
    const image = images.require(user.id, plan.image);
    const sandbox = insert(store, user, plan.name, plan.nameStem, {
      ...traitsOf(plan),
      templateId: plan.templateId,
      image: image.machine.name,
      imageDigest: image.machine.digest,
      diskSizeMB: diskSizeOn(plan, image.sizeMB),
      expiresAt: expiryAfter(now, plan.ttlSeconds),
    });
    return { kind: "new", sandbox, image };
  });
}

/**
 * For sandboxes that are made from another one: all of them, or none. A name that is undefined is made up, beginning
 * with `stem`. Errors: name_taken, sandbox_limit, quota_exceeded.
 */
export function claimCopies(
  store: Store,
  user: User,
  model: CopyModel,
  names: (string | undefined)[],
  stem: string,
): SandboxRecord[] {
  const { imageDigest, expiresAt } = model;
  return store.transaction(() => {
    const limits = limitsOf(store, user);
    checkSandboxSize(limits, model);
    checkSandboxCount(limits, store.sandboxes.countOf(user.id), names.length);
    return names.map((name) =>
      insert(store, user, name, stem, {
        ...traitsOf(model),
        ...{ imageDigest, expiresAt, templateId: null },
      }),
    );
  });
}

function limitsOf(store: Store, user: User): User {
  const limits = store.users.byId(user.id);
  if (!limits) throw new BhattiError("unauthorized", "invalid api key");
  return limits;
}

type Traits = CopyModel & Pick<SandboxRecord, "templateId">;

function insert(
  store: Store,
  user: User,
  wanted: string | undefined,
  stem: string,
  traits: Traits,
): SandboxRecord {
  const sandbox: SandboxRecord = {
    id: newSandboxId(),
    userId: user.id,
    name: wanted ?? freeName(store, user, stem),
    status: "creating",
    statusReason: null,
    engineId: null,
    epoch: 0,
    thermal: "hot",
    lastActiveAt: null,
    createdAt: new Date().toISOString(),
    stoppedAt: null,
    destroyRequestedAt: null,
    ...traits,
  };
  try {
    store.sandboxes.insert(sandbox);
    return sandbox;
  } catch (cause) {
    if (!isUniqueViolation(cause)) throw cause;
    const message = `name: sandbox "${sandbox.name}" already exists`;
    throw new BhattiError("name_taken", message, { cause });
  }
}

function freeName(store: Store, user: User, stem: string): string {
  for (;;) {
    const name = newSandboxName(stem);
    if (!store.sandboxes.byName(user.id, name)) return name;
  }
}
