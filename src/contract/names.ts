/** The patterns that names must match, with the rule in words for the error message. */
import { z } from "zod";
import { longestName, maximumLabels } from "./limits.ts";

const after = longestName - 1;
export const SandboxName = z.string().regex(new RegExp(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,${after}}$`), {
  error: `must start with a letter or digit, followed by up to ${after} letters, digits, dots, underscores or hyphens`,
});

/** Text that the guest's kernel takes, which ends it at a NUL. */
export const KernelText = z
  .string()
  .refine((text) => !text.includes("\0"), { error: "must not contain a NUL byte" });

/**
 * Text that stands for bytes (`byte-text.ts`): the guest knows names and arguments as bytes. A NUL that stands for none is
 * refused.
 */
export const ByteText = z
  .string()
  .refine((text) => !/\0(?![89a-f][0-9a-f])/.test(text), { error: "must not contain a NUL byte" })
  .describe("A byte that is not part of UTF-8 is written as U+0000 and its two hexadecimal digits");

/** A name or an id, wherever a path names a sandbox. */
export const SandboxRef = z.object({ ref: z.string().min(1) });

/** Yes or no in a query. */
export const Flag = z.enum(["true", "false"]).optional();

const environmentNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
export const Environment = z.record(
  z.string().regex(environmentNamePattern, {
    error: "must be letters, digits and underscores, not starting with a digit",
  }),
  KernelText,
);

const segment = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?";
const labelKeyPattern = new RegExp(`^(?:${segment}/)?${segment}$`);
export const LabelKey = z
  .string()
  .regex(labelKeyPattern, {
    error:
      "must be 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit, with an optional prefix/",
  })
  .refine((key) => !key.startsWith("bhatti.sh/"), {
    error: "must not start with bhatti.sh/, which is reserved",
  });
const LabelValue = z.string().regex(/^[A-Za-z0-9._-]{0,256}$/, {
  error: "must be at most 256 letters, digits, '.', '_' or '-'",
});
export const Labels = z
  .record(LabelKey, LabelValue)
  .refine((labels) => Object.keys(labels).length <= maximumLabels, {
    error: `must be at most ${maximumLabels} labels`,
  });
