/** `bhatti image …`: builds images from recipes on the daemon's host, and lists them. */
import type { Received } from "../../client/answer.ts";
import { imageToWire } from "../../contract/image-wire.ts";
import type { Image } from "../../contract/images.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { text, toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { dataDirectory, openLocal } from "../data-directory.ts";
import type { System } from "../system.ts";
import { type Column, table } from "../terminal/table.ts";

/** A recipe may print lines of any length. */
const longestProgress = 200;

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
      await context.result(imageToWire(same), () => `image/${same.name} unchanged\n`);
      return;
    }
    const dataDir = await dataDirectory(context);
    using cancelling = cancelOnInterrupt(context.system);
    const operation = operator.operations.accept({
      kind: "image.build",
      userId: null,
      target: { kind: "image", id: null, name: described.imageName },
      size: { memoryMB: 0 },
    });
    const build = async () => {
      const built = await images.buildImage({
        recipe,
        ...(name !== undefined && { name }),
        dataDir,
        report(line) {
          void context.remark(line);
          operation.report(line.slice(0, longestProgress));
        },
        signal: operation.signal,
      });
      return operator.images.register(built);
    };
    const { outcome } = operation.run(cancelling.signal, build, (made) => ({
      ...{ image: made.name, size_mb: made.sizeMB, source: made.source },
    }));
    const image = await outcome;
    await context.result(
      imageToWire(image),
      () => `image/${image.name} built (${image.sizeMB} MB)\n`,
    );
  },
});

export const listImages = command({
  description:
    "Lists the images that you can create sandboxes from. With --data-dir, lists the operator's images in that " +
    "directory, without a daemon.",
  arguments: [],
  flags: {},
  examples: ["bhatti image list", "bhatti image ls --json"],
  async run(context) {
    const images = context.flags["data-dir"]
      ? await localImages(context)
      : await ownImages(context);
    await context.result(images, () => (images.length > 0 ? table(columns, images) : ""));
    if (images.length === 0 && !context.flags.json) await context.remark("No images");
  },
});

async function ownImages(context: Context): Promise<Received<Image>[]> {
  const client = await context.client();
  return (await client.call("image.list", {})).result;
}

async function localImages(context: Context): Promise<Received<Image>[]> {
  using operator = await openLocal(context);
  return operator.images.list(null).map(imageToWire);
}

function cancelOnInterrupt(system: Pick<System, "onSignal">): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const handlers = new DisposableStack();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const reason = new BhattiError("cancelled", `The build was interrupted by ${signal}`);
    handlers.use(system.onSignal(signal, () => controller.abort(reason)));
  }
  return { signal: controller.signal, [Symbol.dispose]: () => handlers.dispose() };
}

const columns: Column<Received<Image>>[] = [
  ["ID", 13, ({ id = "-" }) => id],
  ["NAME", 20, ({ name = "-" }) => name],
  ["SOURCE", 24, ({ source = "-" }) => source.replace(/^(recipe:[0-9a-f]{12})[0-9a-f]+$/, "$1")],
  ["SIZE", 8, ({ size_mb }) => (size_mb === undefined ? "-" : `${size_mb}MB`)],
  ["SCOPE", 0, ({ user_id }) => (user_id ? "user" : "admin")],
];
