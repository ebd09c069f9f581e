/** The asking end of the control socket; control.ts has the protocol. */
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { KvcacheError, messageOf } from '../../errors.ts';
import { controlPatienceMs } from '../../limits.ts';
import { type ControlAnswer, type ScaleRequest, socketPathIn } from './control.ts';

/**
 * Sends the request to the supervisor of the cluster in this folder; yields its answers until it has no more. Throws
 * KvcacheError UNAVAILABLE where no supervisor listens or it falls silent before its first answer.
 */
export async function* askSupervisor(folder: string, request: ScaleRequest): AsyncGenerator<ControlAnswer> {
  const socket = await connect(folder);
  try {
    socket.setTimeout(controlPatienceMs, () => socket.destroy());
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of createInterface({ input: socket })) {
      socket.setTimeout(0);
      yield JSON.parse(line) as ControlAnswer;
    }
  } finally {
    socket.destroy();
  }
}

async function connect(folder: string): Promise<net.Socket> {
  const place = await socketPathIn(folder);
  try {
    const socket = net.connect(place.path);
    await once(socket, 'connect');
    // An end that comes as an error says no more than the missing last answer.
    socket.on('error', () => socket.destroy());
    return socket;
  } catch (error) {
    throw new KvcacheError(
      'UNAVAILABLE',
      `the supervisor of the cluster in ${folder} does not answer (${messageOf(error)}); is 'kvcache dev' still running there?`,
      { cause: error },
    );
  } finally {
    await place.release();
  }
}
