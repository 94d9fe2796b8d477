/** Named schemas of the OpenAPI document, and references to them. */
import { globalRegistry, z } from "zod";
import { Cancelled, Deleted, Destroyed, Done } from "./acknowledgements.ts";
import {
  AttachStart,
  ExecBody,
  ExecControl,
  ExecDetached,
  ExecEvent,
  ExecOutputEvent,
  ExecReason,
  ExecResult,
  ExecStart,
  ShellStart,
  SignalName,
  StreamError,
} from "./exec.ts";
import { CopyFile, FileChange, FileEntry, MakeDirectory, MoveFile, Transferred } from "./files.ts";
import { Health, Version } from "./health.ts";
import { Image } from "./images.ts";
import { ForkSandbox, StartSandbox } from "./lifecycle.ts";
import { Environment, Labels, SandboxName } from "./names.ts";
import { OperationError, OperationResult } from "./operation-outcome.ts";
import { Operation, OperationKind, OperationState, Task } from "./operations.ts";
import { OutputTaken } from "./output-window.ts";
import {
  Activity,
  CreateSandbox,
  EditSandbox,
  Sandbox,
  SandboxFile,
  SandboxStatus,
  Thermal,
  Usage,
} from "./sandboxes.ts";
import { KilledSession, KillSession, LogEvent, PipedStart, Session } from "./sessions.ts";
import { Share, ShareAuth, ShareControl, ShareEvent, ShareSandbox } from "./shares.ts";
import {
  CreateSnapshot,
  RestoreSnapshot,
  ResumeSnapshot,
  Snapshot,
  SnapshotType,
} from "./snapshots.ts";
import { CreateTemplate, ListedTemplate, Template } from "./templates.ts";

const named = {
  Health,
  Version,
  Sandbox,
  SandboxStatus,
  Thermal,
  Activity,
  Usage,
  SandboxName,
  SandboxFile,
  Environment,
  Labels,
  CreateSandbox,
  EditSandbox,
  StartSandbox,
  ForkSandbox,
  Snapshot,
  SnapshotType,
  CreateSnapshot,
  ResumeSnapshot,
  RestoreSnapshot,
  Operation,
  OperationKind,
  OperationState,
  OperationResult,
  OperationError,
  Task,
  Image,
  Done,
  Deleted,
  Destroyed,
  Cancelled,
  Template,
  ListedTemplate,
  CreateTemplate,
  ExecRequest: ExecBody,
  ExecResult,
  ExecDetached,
  ExecOutputEvent,
  ExecReason,
  ExecStart,
  AttachStart,
  ShellStart,
  ExecControl,
  ExecEvent,
  SignalName,
  StreamError,
  PipedStart,
  Session,
  KillSession,
  KilledSession,
  LogEvent,
  OutputTaken,
  FileEntry,
  FileChange,
  MakeDirectory,
  MoveFile,
  CopyFile,
  Transferred,
  Share,
  ShareSandbox,
  ShareAuth,
  ShareControl,
  ShareEvent,
};
for (const [id, schema] of Object.entries(named)) {
  globalRegistry.add(schema, { ...globalRegistry.get(schema), id });
}

export type Json = Record<string, unknown>;

export class Components {
  readonly #schemas: Record<string, Json> = {};

  /** Sorted by name. */
  get schemas(): Record<string, Json> {
    return Object.fromEntries(
      Object.entries(this.#schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  /** The JSON schema, with references to named schemas. Responses may gain fields, requests may not. */
  refer(schema: z.ZodType, io: "input" | "output"): Json {
    const {
      $schema: _,
      $defs,
      ...rest
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: "any",
      override: ({ jsonSchema }) => {
        delete jsonSchema.id;
        if (io === "output" && jsonSchema.additionalProperties === false) {
          delete jsonSchema.additionalProperties;
        }
      },
    });
    for (const [name, definition] of Object.entries($defs ?? {})) this.#define(name, definition);
    return hoisted(rest);
  }

  #define(name: string, definition: object): void {
    const known = this.#schemas[name];
    const schema = hoisted(definition);
    if (known && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`the schema ${name} differs between requests and answers`);
    }
    this.#schemas[name] = schema;
  }
}

function hoisted(schema: object): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
