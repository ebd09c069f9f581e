/** The doors of a shard that are attacked, each with a client that must be served as if nothing were. */
import type { ShardProcess } from '../acceptance/shard-process.ts';
import { KvcacheClient } from '../client/key-client.ts';
import { fuzzedFrames } from '../doors/resp/testing/frames.ts';
import { RespClient } from '../doors/resp/testing/resp-client.ts';
import { RawClient } from '../doors/tcp/testing/raw-client.ts';
import type { AttackedDoor } from './attack.ts';
import { grpcFrames, grpcOpening } from './frames/grpc.ts';
import { httpFrames } from './frames/http.ts';
import { tcpFrames } from './frames/tcp.ts';

/** A key that no frame names: it must be there to the end. */
const witnessKey = 'the witness of the fuzzer';
const getCommand = 1;
const witnessValue = 'has seen nothing';

export async function placeWitness(shard: ShardProcess): Promise<void> {
  using client = new KvcacheClient({ server: shard.server });
  await client.set(witnessKey, witnessValue);
}

/** Rejects where the key has another value than it was given. */
async function askWitness(shard: ShardProcess): Promise<void> {
  using client = new KvcacheClient({ server: shard.server });
  const value = await client.get(witnessKey);
  if (value?.toString() !== witnessValue) throw new Error(`a key that nobody has written is ${value?.toString()}`);
}

export function attackedDoors(shard: ShardProcess): readonly AttackedDoor[] {
  return [
    {
      name: 'resp',
      port: shard.portOf('resp'),
      frames: respFrames,
      witness: async () => {
        using client = await RespClient.open(shard.portOf('resp'));
        const answer = await client.ask('GET', witnessKey);
        if (answer !== `$${witnessValue.length}`) throw new Error(`RESP answered ${answer}`);
      },
    },
    {
      name: 'http',
      port: shard.portOf('http'),
      frames: httpFrames,
      witness: async () => {
        // Over a connection of its own, as the other doors are asked.
        const url = `${shard.url}/api/v1/get/${encodeURIComponent(witnessKey)}`;
        const answer = await fetch(url, { headers: { connection: 'close' } });
        if (!answer.ok) throw new Error(`HTTP answered ${answer.status} ${await answer.text()}`);
      },
    },
    {
      name: 'tcp',
      port: shard.portOf('tcp'),
      frames: tcpFrames,
      witness: async () => {
        const client = await RawClient.open(`127.0.0.1:${shard.portOf('tcp')}`);
        try {
          const [status, value] = (await client.ask(getCommand, witnessKey)) ?? [];
          if (status !== 0 || value?.includes(witnessValue) !== true) throw new Error(`it answered status ${status}`);
        } finally {
          client.close();
        }
      },
    },
    {
      name: 'grpc',
      port: shard.portOf('grpc'),
      opening: grpcOpening,
      frames: grpcFrames,
      witness: () => askWitness(shard),
    },
  ];
}

function* respFrames(seed: number): Generator<Buffer, never> {
  const frames = fuzzedFrames(seed);
  for (;;) yield frames.next().value.bytes;
}
