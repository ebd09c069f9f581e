/** The doors of a process that are attacked, each with a client that must be served as if nothing were. */
import { KvcacheClient } from '../client/key-client.ts';
import { RespClient } from '../doors/resp/testing/resp-client.ts';
import { RawClient } from '../doors/tcp/testing/raw-client.ts';
import type { AttackedDoor } from './attack.ts';
import { grpcFrames, grpcOpening } from './frames/grpc.ts';
import { httpFrames } from './frames/http.ts';
import { respFrames } from './frames/resp.ts';
import { tcpFrames } from './frames/tcp.ts';
import type { DoorAddresses } from './processes.ts';

/** A key that no frame names: it must be there to the end. */
const witnessKey = 'the witness of the fuzzer';
const getCommand = 1;
const witnessValue = 'has seen nothing';

export async function placeWitness(target: DoorAddresses): Promise<void> {
  using client = new KvcacheClient({ server: target.server });
  await client.set(witnessKey, witnessValue);
}

/** Rejects where the key has another value than it was given. */
async function askWitness(target: DoorAddresses): Promise<void> {
  using client = new KvcacheClient({ server: target.server });
  const value = await client.get(witnessKey);
  if (value?.toString() !== witnessValue) throw new Error(`a key that nobody has written is ${value?.toString()}`);
}

export function attackedDoors(target: DoorAddresses, prefix = ''): readonly AttackedDoor[] {
  return [
    {
      name: `${prefix}resp`,
      port: target.portOf('resp'),
      frames: respFrames,
      witness: async () => {
        using client = await RespClient.open(target.portOf('resp'));
        const answer = await client.ask('GET', witnessKey);
        if (answer !== `$${witnessValue.length}`) throw new Error(`RESP answered ${answer}`);
      },
    },
    {
      name: `${prefix}http`,
      port: target.portOf('http'),
      frames: httpFrames,
      witness: async () => {
        // Over a connection of its own, as the other doors are asked.
        const url = `${target.url}/api/v1/get/${encodeURIComponent(witnessKey)}`;
        const answer = await fetch(url, { headers: { connection: 'close' } });
        if (!answer.ok) throw new Error(`HTTP answered ${answer.status} ${await answer.text()}`);
      },
    },
    {
      name: `${prefix}tcp`,
      port: target.portOf('tcp'),
      frames: tcpFrames,
      witness: async () => {
        const client = await RawClient.open(`127.0.0.1:${target.portOf('tcp')}`);
        try {
          const [status, value] = (await client.ask(getCommand, witnessKey)) ?? [];
          if (status !== 0 || value?.includes(witnessValue) !== true) throw new Error(`it answered status ${status}`);
        } finally {
          client.close();
        }
      },
    },
    {
      name: `${prefix}grpc`,
      port: target.portOf('grpc'),
      opening: grpcOpening,
      frames: grpcFrames,
      witness: () => askWitness(target),
    },
  ];
}
