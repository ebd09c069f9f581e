/**
 * The events of one watch: a line of JSON each, for as long as the server keeps the answer open.
 *
 * Ends in one of three ways: the server closes it in order (its time is over), it breaks, or it falls silent. Silence is a
 * fault, because the server sends a bookmark every minute even where nothing happens: a connection that was cut without a
 * reset looks exactly like a quiet cluster. An `ERROR` event is thrown as the fault that it tells.
 */
import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { messageOf } from '../../errors.ts';
import { kubeWatchLineBytesMax } from '../../limits.ts';
import { errorOfAnswer, KubeError, type KubeStatus } from './kube-error.ts';
import type { Stored } from './resources.ts';

export interface WatchEvent<T extends object> {
  readonly type: (typeof eventTypes)[number];
  readonly object: Stored<T>;
}

export interface WatchStreamOptions {
  /** `WATCH /api/v1/pods`, for messages. */
  readonly description: string;
  readonly silenceMaxMs: number;
}

/** Rejects with a `KubeError` where the watch breaks; returns where the server ends it. */
export async function* watchEvents<T extends object>(
  stream: IncomingMessage,
  { description, silenceMaxMs }: WatchStreamOptions,
): AsyncGenerator<WatchEvent<T>> {
  const decoder = new StringDecoder('utf8');
  const silence = setTimeout(() => {
    const message = `${description}: silent for ${silenceMaxMs} ms, so the connection is taken for dead`;
    stream.destroy(new KubeError(message, { status: 0, reason: 'RequestTimeout' }));
  }, silenceMaxMs);
  let rest = '';
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      silence.refresh();
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > kubeWatchLineBytesMax)
        throw malformed(description, `a line above ${kubeWatchLineBytesMax} bytes`);
      for (const line of lines) if (line.trim()) yield eventOf<T>(line, description);
    }
  } catch (error) {
    if (error instanceof KubeError) throw error;
    throw new KubeError(`${description}: ${messageOf(error)}`, { status: 0, reason: 'Connection', cause: error });
  } finally {
    clearTimeout(silence);
    stream.destroy();
  }
  // Half a line and then an orderly end is no orderly end: what it would have said must be heard another way.
  if (rest.trim()) throw malformed(description, 'the last line is cut short');
}

function eventOf<T extends object>(line: string, description: string): WatchEvent<T> {
  let event: { type?: string; object?: unknown };
  try {
    event = JSON.parse(line) as typeof event;
  } catch {
    throw malformed(description, `not a line of JSON: ${line.slice(0, 200)}`);
  }
  const { type, object } = event;
  if (typeof object !== 'object' || object === null) throw malformed(description, 'an event without an object');
  if (type === 'ERROR') {
    throw errorOfAnswer(description, (object as KubeStatus).code ?? 0, JSON.stringify(object), undefined);
  }
  if (!isEventType(type)) throw malformed(description, `an event of type ${type}`);
  return { type, object: object as Stored<T> };
}

const eventTypes = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'] as const;

function isEventType(type: string | undefined): type is (typeof eventTypes)[number] {
  return (eventTypes as readonly (string | undefined)[]).includes(type);
}

function malformed(description: string, what: string): KubeError {
  return new KubeError(`${description}: ${what}`, { status: 0, reason: 'MalformedAnswer' });
}
