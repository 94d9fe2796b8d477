/** Builds an image from a recipe: a script that fills a directory. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { makeExt4 } from "../disks/ext4.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { makeDurable } from "../host/atomic-file.ts";
import { run } from "../host/process.ts";
import { makeProcessFolder, processFolders } from "../host/process-folder.ts";

const buildPrefix = ".build-";

export interface ImageBuild {
  /** Path of the script. */
  recipe: string;
  /** The script's name without its extension unless given. */
  name?: string;
  dataDir: string;
  /** Told what is being done, a line at a time. */
  report: (line: string) => void;
  signal: AbortSignal;
}

export interface BuiltImage {
  name: string;
  digest: string;
  /** Below the data directory. */
  path: string;
  sizeMB: number;
  /** `recipe:` and the hash of the script: the same again when nothing has changed. */
  source: string;
}

export const imageNamePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** What the image of this recipe will be called, and the source it will have. Errors: bad_request. */
export async function describeRecipe(recipe: string, name?: string) {
  const script = await readFile(recipe, "utf8").catch((cause: unknown) => {
    throw new BhattiError(
      "bad_request",
      `Cannot read the recipe "${recipe}": it must be a script`,
      {
        cause,
      },
    );
  });
  const imageName = name ?? basename(recipe).replace(/\.[^.]*$/, "");
  if (!imageNamePattern.test(imageName)) {
    throw new BhattiError(
      "bad_request",
      `Image name "${imageName}" must be a lower-case letter or digit, then up to 62 of a-z, 0-9, dot, underscore or hyphen`,
    );
  }
  const size = script.match(/^# bhatti-size: (\d+)$/m)?.[1];
  const hash = createHash("sha256").update(script).digest("hex");
  return { imageName, source: `recipe:${hash}`, sizeMB: size ? Number(size) : undefined };
}

/** Runs the recipe and makes the image file. The caller registers it: until then nothing refers to it. */
export async function buildImage(build: ImageBuild): Promise<BuiltImage> {
  const { imageName, source, sizeMB: wantedMB } = await describeRecipe(build.recipe, build.name);
  const images = join(build.dataDir, "images");
  await mkdir(images, { recursive: true });
  for (const { path, isAbandoned } of processFolders(images, buildPrefix)) {
    if (isAbandoned) await rm(path, { recursive: true, force: true });
  }
  const scratch = makeProcessFolder(images, buildPrefix);
  try {
    const root = join(scratch, "root");
    await mkdir(root, { mode: 0o755 });
    build.report(`Running ${build.recipe}`);
    await run([resolve(build.recipe), root], {
      signal: build.signal,
      onProgress: build.report,
      ownGroup: true,
    });
    const contentMB = await megabytesIn(root, build.signal);
    const sizeMB = Math.max(wantedMB ?? 64, Math.ceil(contentMB * 1.3));
    build.report(`Creating a file system of ${sizeMB} MB for ${contentMB} MB of files`);
    const file = join(scratch, "rootfs.ext4");
    await makeExt4(root, file, sizeMB, build.signal);
    const digest = await digestOf(file);
    const path = join(images, `${digest.slice(0, 24)}.ext4`);
    await makeDurable(file);
    await rename(file, path);
    await makeDurable(images);
    return { name: imageName, digest: `sha256:${digest}`, path, sizeMB, source };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function megabytesIn(directory: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await run(["du", "-sm", directory], { signal });
  return Number.parseInt(stdout, 10);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}
