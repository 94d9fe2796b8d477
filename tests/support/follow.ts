/** The text that comes out of a stream, as far as it has come. */
export function follow(stream: ReadableStream<Uint8Array>) {
  const self = { text: "", ended: Promise.resolve() };
  self.ended = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) self.text += decoder.decode(bytes, { stream: true });
  })();
  return self;
}
