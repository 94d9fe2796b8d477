/** `bhatti image …` on the daemon's machine: makes images from recipes, and says which there are. */
import type { ImageRecord } from "../../operator/operator.ts";
import { text, toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { dataDirectory, openLocal } from "../data-directory.ts";
import { type Column, table } from "../terminal/table.ts";

export const buildImage = command({
  description:
    "A recipe is a script that populates the directory given as its first argument. The image is stored in the " +
    "daemon's data directory.",
  arguments: ["recipe"],
  flags: {
    name: text("Image name (default: the recipe's file name without extension)", {
      placeholder: "name",
    }),
    force: toggle("Rebuild even if the recipe has not changed"),
  },
  examples: ["sudo bhatti image build guest/tiers/minimal.sh"],
  async run(context, { recipe, name, force }) {
    const images = await import("../../images/build.ts");
    const described = await images.describeRecipe(recipe, name);
    using operator = await openLocal(context, { create: true });
    const same = operator.images.list(null).find((one) => one.name === described.imageName);
    const isBuilt = same?.source === described.source && operator.images.hasFile(same);
    if (same && isBuilt && !force) {
      await context.result(shown(same), () => `image/${same.name} unchanged\n`);
      return;
    }
    const dataDir = await dataDirectory(context);
    using cancelling = cancelOnInterrupt(context.system);
    const built = await images.buildImage({
      recipe,
      ...(name !== undefined && { name }),
      dataDir,
      report: (line) => void context.remark(line),
      signal: cancelling.signal,
    });
    const image = operator.images.register(built);
    await context.result(shown(image), () => `image/${image.name} built (${image.sizeMB} MB)\n`);
  },
});

export const listImages = command({
  arguments: [],
  flags: {},
  async run(context) {
    using operator = await openLocal(context);
    const images = operator.images.list(null);
    await context.result(images.map(shown), () =>
      images.length > 0 ? table(columns, images) : "",
    );
    if (images.length === 0 && !context.flags.json) await context.remark("No images");
  },
});

function cancelOnInterrupt(system: {
  onSignal(signal: "SIGINT" | "SIGTERM", listener: () => void): Disposable;
}): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const handlers = new DisposableStack();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    handlers.use(system.onSignal(signal, () => controller.abort()));
  }
  return { signal: controller.signal, [Symbol.dispose]: () => handlers.dispose() };
}

/** As the API writes things. */
function shown(image: ImageRecord) {
  return {
    id: image.id,
    user_id: image.userId ?? "",
    name: image.name,
    source: image.source,
    size_mb: image.sizeMB,
    digest: image.digest,
    created_at: image.createdAt,
  };
}

const columns: Column<ImageRecord>[] = [
  ["ID", 13, (image) => image.id],
  ["NAME", 20, (image) => image.name],
  ["SOURCE", 24, (image) => image.source.replace(/^(recipe:[0-9a-f]{12})[0-9a-f]+$/, "$1")],
  ["SIZE", 8, (image) => `${image.sizeMB}MB`],
  ["SCOPE", 0, (image) => (image.userId === null ? "admin" : "user")],
];
