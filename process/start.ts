/** What every server process does while it starts, with faults that name the setting to change. */
import { mkdir } from 'node:fs/promises';
import type { Door } from '../doors/door.ts';
import { KvcacheError } from '../errors.ts';

export async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError('CONFIG', `data.path is '${path}', which cannot be made (${reason}); choose another folder`);
  }
}

/** Opens the door; answers host:port with the port that it really has. */
export function listenDoor(door: Door, host: string, port: number): Promise<string> {
  return listening(door.protocol, host, port, async () => (await door.listen()).port);
}

/** Runs `listen`, which answers its port. `name` is that of the settings: `grpc` for grpc.host and grpc.port. */
export async function listening(
  name: string,
  host: string,
  port: number,
  listen: () => Promise<number>,
): Promise<string> {
  try {
    return `${host}:${await listen()}`;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError(
      'CONFIG',
      reason === 'EADDRINUSE'
        ? `${name}.port is ${port}, which another process listens on; end that process or set another port`
        : `${name}.host is '${host}' and ${name}.port ${port}: cannot listen there (${reason})`,
    );
  }
}
