/** Templates: what a user's sandboxes may start from. */
import { templateTraitsOf } from "../contract/sandbox-traits.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { ListedTemplate, TemplateRecord } from "../store/templates.ts";
import type { User } from "../store/users.ts";
import { newTemplateId } from "./identifiers.ts";
import { checkTemplateUsage } from "./quotas.ts";
import { checkMemory, type SandboxRequest } from "./sandbox-plan.ts";

export type { ListedTemplate, TemplateRecord };

export type NewTemplate = Omit<SandboxRequest, "name" | "template" | "files"> & { name: string };

export class Templates {
  readonly #store: Store;
  readonly #events: EventSink;

  constructor(store: Store, events: EventSink) {
    this.#store = store;
    this.#events = events;
  }

  /** Whether its image is there and its size within quotas is asked when a sandbox is made from it. */
  create(user: User, request: NewTemplate): TemplateRecord {
    const template: TemplateRecord = {
      id: newTemplateId(),
      userId: user.id,
      name: request.name,
      ...templateTraitsOf(request),
      createdAt: new Date().toISOString(),
    };
    if (template.memoryMB !== null) checkMemory(template.memoryMB);
    this.#insert(template);
    this.#record("template.created", template);
    return template;
  }

  list(user: User): ListedTemplate[] {
    return this.#store.templates.ofUser(user.id);
  }

  get(user: User, ref: string): TemplateRecord {
    return requireTemplate(this.#store, user, ref);
  }

  /** The sandboxes that were made from it stay as they are. */
  delete(user: User, ref: string): void {
    const template = this.#store.transaction(() => {
      const found = requireTemplate(this.#store, user, ref);
      this.#store.templates.delete(found.id);
      return found;
    });
    this.#record("template.deleted", template);
  }

  #insert(template: TemplateRecord): void {
    try {
      this.#store.transaction(() => {
        this.#store.templates.insert(template);
        checkTemplateUsage(this.#store.templates.usageOf(template.userId));
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new BhattiError("template_exists", `Template "${template.name}" already exists`, {
        cause: error,
      });
    }
  }

  #record(type: "template.created" | "template.deleted", { id, userId, name }: TemplateRecord) {
    this.#events.record({ type, userId, meta: { template: id, name } });
  }
}

/** By id or name; another user's template is as good as none. */
export function requireTemplate(store: Store, user: User, ref: string): TemplateRecord {
  const byId = store.templates.byId(ref);
  const found = byId?.userId === user.id ? byId : store.templates.byName(user.id, ref);
  if (!found) throw new BhattiError("template_not_found", `Template "${ref}" not found`);
  return found;
}
