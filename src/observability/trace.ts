/** The id that ties a response, its error and its lines in the log together. */

export function newRequestId(): string {
  return `req_${randomHex(8)}`;
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
